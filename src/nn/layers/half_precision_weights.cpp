#include "nn/layers/half_precision_weights.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace fmboost {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, for vector instructions
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

std::size_t WeightMemory::padded(std::size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

WeightMemory::WeightMemory(std::size_t bytes)
    : size_((std::max<std::size_t>(bytes, 1) + kHugePage - 1) / kHugePage * kHugePage) {
  // One huge page more than needed, so that the data can be aligned to a huge page.
  const std::size_t mapped = size_ + kHugePage;
  void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    throw std::bad_alloc();
  }
  void* begin = address;
  std::size_t space = mapped;
  std::align(kHugePage, size_, begin, space);
  ::madvise(begin, size_, MADV_HUGEPAGE);
  data_ = {static_cast<std::byte*>(begin), [address, mapped](std::byte*) { ::munmap(address, mapped); }};
}

torch::Tensor WeightMemory::take(at::IntArrayRef sizes, torch::ScalarType dtype) {
  const std::size_t bytes = padded(static_cast<std::size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype));
  if (bytes > size_ - used_) {
    throw std::bad_alloc();
  }
  std::byte* const begin = data_.get() + used_;
  used_ += bytes;
  return torch::from_blob(
      begin, sizes, [keep = data_](void*) {}, torch::TensorOptions().dtype(dtype));
}

}  // namespace fmboost
