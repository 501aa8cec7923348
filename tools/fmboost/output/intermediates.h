#pragma once

#include <filesystem>
#include <string>

#include "fmboost/pipeline/generate.h"

namespace fmboost::tool {

/// Writes every latent of an image as <stem>_<name>.safetensors and its low-resolution image as <stem>_low.png,
/// where names of a coupling after the first end in its number. Throws Error.
void write_intermediates(const std::filesystem::path& folder, const std::string& stem, const GeneratedImage& image);

}  // namespace fmboost::tool
