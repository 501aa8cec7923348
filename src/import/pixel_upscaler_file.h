#pragma once

#include "import/esrgan_names.h"
#include "import/imported_model.h"

namespace fmboost {

constexpr const char* kPixelUpscalerFile = "pixel_upscaler.safetensors";

/// A pixel upscaler ready to be written: its tensors, and its entry in bundle.json with zeros as hash.
struct PixelUpscalerSource {
  std::string what;  ///< "an upscaling network for pixels (RRDBNet, 4x)"
  Weights weights;
  nlohmann::json entry;
};

/// Whether the tensors are those of a pixel upscaler.
bool is_pixel_upscaler(const std::filesystem::path& file);

/// Opens `file`, interpolated with another if one is given. Throws ModelError naming the tensors that are missing,
/// unknown or of another shape, and files of other kinds.
PixelUpscalerSource open_pixel_upscaler(const std::filesystem::path& file, const LoraChoice& interpolate);

}  // namespace fmboost
