#pragma once

#include <cstdint>
#include <string>

namespace fmboost {

/// The shape of a UNet's encoder half, which numbered block names depend on.
struct UnetDepth {
  std::int64_t levels = 4;
  std::int64_t blocks_per_level = 2;
};

/// The layer name of the original layout ("input_blocks_1_1_proj_in"), with underscores for dots, as that of diffusers
/// ("down_blocks_0_attentions_0_proj_in"). Other names are returned unchanged.
std::string diffusers_layer_name(const std::string& name, const UnetDepth& depth);

}  // namespace fmboost
