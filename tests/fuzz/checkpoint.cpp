// Names and shapes of a .safetensors file as `import` reads them: recognized, renamed, made configurations of, or a
// ModelError.
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/import/detect_weights.h"

#include "import/ldm_names.h"
#include "import/lora/lora.h"
#include "import/network_configs.h"
#include "memory_file.h"

using namespace fmboost;

namespace {

template <typename Work>
void allow_model_error(const Work& work) {
  try {
    work();
  } catch (const ModelError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  allow_model_error([&] {
    const Weights tensors = open_weights(memory.name()).tensors;
    TensorShapes shapes;
    for (const auto& [name, weight] : tensors) {
      shapes.emplace(name, weight.shape);
    }
    REQUIRE(!detect_weights(shapes).what.empty());
    // Nothing gets lost on the way.
    const Weights unet = to_diffusers_unet(tensors);
    REQUIRE(unet.size() == tensors.size());
    const Weights autoencoder = to_diffusers_autoencoder(tensors);
    Weights rest;
    const Weights text = openclip_to_transformers_text(tensors, rest);
    REQUIRE(text.size() + rest.size() >= tensors.size());
    allow_model_error([&] { unet_config(unet, "input"); });
    allow_model_error([&] { autoencoder_config(autoencoder, "input"); });
    allow_model_error([&] { tiny_autoencoder_config(tensors, "input"); });
    allow_model_error([&] { text_config(to_transformers_text(tensors), "input", "gelu"); });
    Weights one = unet;
    Weights other = text;
    allow_model_error([&] { merge_lora(open_lora(memory.name()), 1.0, one, other); });
  });
  return 0;
}
