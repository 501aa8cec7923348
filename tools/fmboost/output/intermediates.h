#pragma once

#include <filesystem>
#include <string>

#include "fmboost/pipeline/generate.h"

namespace fmboost::tool {

/// Writes the low-resolution image as <stem>_low.png and every latent as <stem>_<name>.safetensors: low_latent, and
/// context and high_latent of each coupling, numbered from the second coupling on (context_2). Throws Error.
void write_intermediates(const std::filesystem::path& folder, const std::string& stem, const GeneratedImage& image);

}  // namespace fmboost::tool
