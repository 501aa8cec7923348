#include "core/spilled_tensor.h"

#include <algorithm>
#include <c10/core/InferenceMode.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"

namespace fmboost {
namespace {

/// All mapped files.
class Mappings {
 public:
  void add(void* begin, std::size_t size) {
    const std::lock_guard lock(mutex_);
    sizes_[static_cast<std::byte*>(begin)] = size;
  }
  void remove(void* begin) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(static_cast<std::byte*>(begin));
    ::munmap(begin, found->second);
    sizes_.erase(found);
  }
  bool contains(const void* address) {
    const std::lock_guard lock(mutex_);
    auto after = sizes_.upper_bound(static_cast<std::byte*>(const_cast<void*>(address)));
    return after != sizes_.begin() && static_cast<const std::byte*>(address) < (--after)->first + after->second;
  }
  // Of a shared mapping, MADV_DONTNEED keeps what was written: it is in the file's cache.
  void release() {
    const std::lock_guard lock(mutex_);
    for (const auto& [begin, size] : sizes_) {
      ::madvise(begin, size, MADV_DONTNEED);
    }
  }

 private:
  std::mutex mutex_;
  std::map<std::byte*, std::size_t> sizes_;
};

Mappings& mappings() {
  static auto* all = new Mappings;  // outlives all tensors, static ones too
  return *all;
}

[[noreturn]] void fail(std::int64_t bytes, int error) {
  throw Error("cannot keep " + format_bytes(bytes) + " in a temporary file in '" + spill_folder().string() +
              "': " + std::strerror(error) + "; free some room, or name another folder in TMPDIR");
}

int open_nameless_file(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    return fd;
  }
  std::string name = (folder / "fmboost-XXXXXX").string();  // for file systems without nameless files
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) {
    ::unlink(name.c_str());
  }
  return named;
}

void* map_new_file(std::int64_t bytes) {
  const int fd = open_nameless_file(spill_folder());
  if (fd < 0) {
    fail(bytes, errno);
  }
  // Without reserved blocks, a full disk would kill the process when it writes into the mapping.
  const int reserved = ::posix_fallocate(fd, 0, bytes);
  void* begin = reserved == 0
                    ? ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                    : MAP_FAILED;
  const int error = reserved != 0 ? reserved : errno;
  ::close(fd);
  if (begin == MAP_FAILED) {
    fail(bytes, error);
  }
  return begin;
}

}  // namespace

std::filesystem::path spill_folder() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
}

std::int64_t spill_room() {
  struct statvfs status {};
  if (::statvfs(spill_folder().c_str(), &status) != 0) {
    return 0;
  }
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

torch::Tensor spilled_tensor(at::IntArrayRef sizes, torch::ScalarType dtype, at::MemoryFormat format) {
  const auto bytes =
      std::max<std::int64_t>(c10::multiply_integers(sizes), 1) * static_cast<std::int64_t>(torch::elementSize(dtype));
  const c10::InferenceMode off(false);  // inference tensors cannot be changed in place outside of that mode
  void* begin = map_new_file(bytes);
  mappings().add(begin, static_cast<std::size_t>(bytes));
  const bool last = format == at::MemoryFormat::ChannelsLast;
  const std::vector<std::int64_t> strides =
      last ? c10::get_channels_last_strides_2d(sizes) : at::IntArrayRef(c10::contiguous_strides(sizes)).vec();
  return at::from_blob(
      begin, sizes, strides, [](void* data) { mappings().remove(data); }, at::TensorOptions().dtype(dtype));
}

bool is_spilled(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.device().is_cpu() && mappings().contains(tensor.const_data_ptr());
}

torch::Tensor spilled_to_float32(const torch::Tensor& x) {
  if (x.scalar_type() == torch::kFloat32 || !is_spilled(x)) {
    return x.to(torch::kFloat32);
  }
  constexpr std::int64_t kRows = 256;
  torch::Tensor result = spilled_tensor(x.sizes(), torch::kFloat32, x.suggest_memory_format());
  for (std::int64_t top = 0; top < x.size(2); top += kRows) {
    const std::int64_t bottom = std::min(top + kRows, x.size(2));
    result.slice(2, top, bottom).copy_(x.slice(2, top, bottom));
    release_spilled_pages();
  }
  return result;
}

void release_spilled_pages() {
  mappings().release();
}

}  // namespace fmboost
