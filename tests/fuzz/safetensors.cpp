// Safetensors files: every tensor can be read, or a ModelError comes.
#include "fmboost/core/safetensors.h"

#include "require.h"

#include <sys/mman.h>
#include <unistd.h>

#include "fmboost/core/error.h"

using namespace fmboost;

namespace {

// A file in memory, under a name that the reader can open.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("input", 0)) {
    REQUIRE(fd_ >= 0 && ::write(fd_, data, size) == static_cast<ssize_t>(size));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string name() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace

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
