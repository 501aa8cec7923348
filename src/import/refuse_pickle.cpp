#include <algorithm>

#include "fmboost/core/error.h"

#include "import/imported_model.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

std::string lower_extension(const fs::path& file) {
  std::string text = file.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Reads only tensors and plain containers (weights_only), and copies tensors that share memory.
std::string conversion(const fs::path& file) {
  const std::string target = fs::path(file).replace_extension(".safetensors").string();
  return "python3 -c \"import sys, torch, safetensors.torch as s; "
         "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); d = d.get('state_dict', d); "
         "s.save_file({k: v.detach().clone().contiguous() for k, v in d.items() if isinstance(v, torch.Tensor)}, "
         "sys.argv[2])\" '" +
         file.string() + "' '" + target + "'";
}

}  // namespace

void refuse_pickle(const fs::path& file) {
  const std::string extension = lower_extension(file);
  for (const char* pickle : {".ckpt", ".pt", ".pth", ".bin", ".pkl"}) {
    if (extension == pickle) {
      throw ModelError("'" + file.string() +
                       "' is a Python pickle, which may run arbitrary code when loaded, so it is not read. With the "
                       "packages torch and safetensors, this command converts its tensors to a .safetensors file:\n  " +
                       conversion(file));
    }
  }
  if (extension != ".safetensors") {
    throw ModelError("'" + file.string() + "' is neither a .safetensors file nor a folder in the diffusers layout");
  }
}

}  // namespace fmboost
