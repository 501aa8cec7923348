// Files of torch.save, zip archives and legacy ones: every tensor can be read, or a ModelError comes.
#include "io/torch_file.h"

#include "fmboost/core/error.h"

#include "memory_file.h"

using namespace fmboost;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  try {
    const TorchFile file(memory.name());
    for (const auto& [name, entry] : file.entries()) {
      const torch::Tensor tensor = file.tensor(name);
      REQUIRE(tensor.sizes() == entry.shape && tensor.scalar_type() == entry.storage.dtype);
    }
  } catch (const ModelError& error) {
    REQUIRE(std::string(error.what()).find(memory.name()) != std::string::npos);
  }
  return 0;
}
