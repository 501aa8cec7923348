#include <algorithm>

#include "fmboost/core/error.h"

#include "import/imported_model.h"
#include "io/torch_file.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

std::string lower_extension(const fs::path& file) {
  std::string text = file.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

void check_weight_file(const fs::path& file) {
  if (TorchFile::is_one(file)) {
    return;
  }
  const std::string extension = lower_extension(file);
  for (const char* pickle : {".ckpt", ".pt", ".pth", ".bin", ".pkl"}) {
    if (extension == pickle) {
      throw ModelError("'" + file.string() +
                       "' is no file of torch.save: it begins neither like a zip archive nor like a pickled state dict");
    }
  }
  if (extension != ".safetensors") {
    throw ModelError("'" + file.string() +
                     "' is neither a .safetensors file, nor a PyTorch file, nor a folder in the diffusers layout");
  }
}

bool is_weight_file(const fs::path& file) {
  return lower_extension(file) == ".safetensors" || TorchFile::is_one(file);
}

WeightFileContent read_weight_file(const fs::path& file) {
  const WeightFile opened = open_weights(file);
  WeightFileContent content{{}, opened.metadata, detect_weights(shapes_of(opened.tensors))};
  for (const auto& [name, weight] : opened.tensors) {
    content.tensors[name] = {c10::toString(weight.dtype), weight.shape};
  }
  return content;
}

}  // namespace fmboost
