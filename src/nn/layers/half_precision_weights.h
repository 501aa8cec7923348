#pragma once

#include <cstddef>
#include <memory>
#include <torch/types.h>

namespace fmboost {

/// One piece of memory for all tensors of a network on the CPU. It lies in huge pages where the kernel has them:
/// clearing gigabytes page by page takes longer than reading and casting the weights. It goes back to the kernel as a
/// whole with the last of its tensors.
class WeightMemory {
 public:
  /// Bytes that a tensor of `size` bytes takes.
  static std::size_t padded(std::size_t size);

  /// `bytes`: the sum of padded() of all that will be taken. Throws std::bad_alloc.
  explicit WeightMemory(std::size_t bytes);

  /// A contiguous tensor without values. Throws std::bad_alloc where more is taken than there is.
  torch::Tensor take(at::IntArrayRef sizes, torch::ScalarType dtype);

 private:
  std::shared_ptr<std::byte> data_;
  std::size_t size_;
  std::size_t used_ = 0;
};

}  // namespace fmboost
