#include "fmboost/nn/cfm_unet_options.h"

#include <algorithm>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

void require(bool condition, const std::string& field, const std::string& needed) {
  if (!condition) {
    throw ModelError("CFM network configuration: " + field + " must be " + needed);
  }
}

}  // namespace

void CfmUnetOptions::check() const {
  const auto size = [](std::int64_t value, const char* field) {
    require(value > 0 && value <= 65536, field, "between 1 and 65536, found " + std::to_string(value));
  };
  size(in_channels, "in_channels");
  size(model_channels, "model_channels");
  size(out_channels, "out_channels");
  size(num_res_blocks, "num_res_blocks");
  size(dim_head, "dim_head");
  size(num_heads, "num_heads");
  require(model_channels % 32 == 0, "model_channels",
          "a multiple of 32 (the norms have 32 groups), found " + std::to_string(model_channels));
  require(!channel_mult.empty() && channel_mult.size() <= 12, "channel_mult", "a list of 1 to 12 levels");
  for (const auto mult : channel_mult) {
    size(mult, "channel_mult");
  }
  require(dropout >= 0.0 && dropout < 1.0, "dropout", "at least 0 and less than 1");
  require(pool_factor <= 64, "pool_factor", "at most 64");
  require(pool_factor <= 1 || channel_mult.front() == 1, "channel_mult", "1 at its first level when pooling");
}

std::int64_t CfmUnetOptions::size_multiple() const {
  return (std::int64_t{1} << (channel_mult.size() - 1)) * std::max<std::int64_t>(pool_factor, 1);
}

}  // namespace fmboost
