// Safetensors files: every tensor can be read, or a ModelError comes.
#include "fmboost/io/safetensors.h"

#include "fmboost/core/error.h"

#include "memory_file.h"

using namespace fmboost;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  try {
    const SafetensorsFile file(memory.name());
    std::size_t bytes = 0;
    for (const auto& [name, entry] : file.entries()) {
      const auto tensor = file.tensor(name);
      REQUIRE(tensor.sizes() == entry.shape && tensor.scalar_type() == entry.dtype);
      REQUIRE(tensor.nbytes() == entry.end - entry.begin);
      bytes += tensor.nbytes();
    }
    REQUIRE(bytes < size);
  } catch (const ModelError& error) {
    REQUIRE(std::string(error.what()).find(memory.name()) != std::string::npos);
  }
  return 0;
}
