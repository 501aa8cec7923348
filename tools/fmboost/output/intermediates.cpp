#include "output/intermediates.h"

#include "fmboost/image/encode.h"
#include "fmboost/io/files.h"
#include "fmboost/io/safetensors.h"

namespace fmboost::tool {
namespace {

// "high_latent-0" and "high_latent-1" become "high_latent" and "high_latent_2".
std::string file_name(const std::string& name) {
  const auto dash = name.find('-');
  if (dash == std::string::npos) {
    return name;
  }
  const int number = std::stoi(name.substr(dash + 1)) + 1;
  return name.substr(0, dash) + (number == 1 ? "" : "_" + std::to_string(number));
}

}  // namespace

void write_intermediates(const std::filesystem::path& folder, const std::string& stem, const GeneratedImage& image) {
  Image low;
  low.pixels = image.low_pixels.squeeze(0);
  write_file_atomically(folder / (stem + "_low.png"), encode_image(low, {}));
  write_safetensors(folder / (stem + "_low_latent.safetensors"), {{"latent", image.low_latent}});
  for (const auto& [name, latent] : image.intermediates) {
    write_safetensors(folder / (stem + "_" + file_name(name) + ".safetensors"), {{"latent", latent}});
  }
}

}  // namespace fmboost::tool
