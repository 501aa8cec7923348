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

void write_intermediates(const std::filesystem::path& folder, const std::string& stem,
                         const GeneratedImage& image) {
  for (const auto& [name, tensor] : image.intermediates) {
    const std::string file = stem + "_" + file_name(name);
    if (name == "low") {
      Image low;
      low.pixels = tensor.squeeze(0);
      write_file_atomically(folder / (file + ".png"), encode_image(low, {}));
    } else {
      write_safetensors(folder / (file + ".safetensors"), {{"latent", tensor}});
    }
  }
}

}  // namespace fmboost::tool
