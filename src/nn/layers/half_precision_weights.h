#pragma once

#include <cstddef>
#include <memory>
#include <torch/types.h>

namespace fmboost {

/// One block of memory for all tensors of a network on the CPU, in huge pages if the kernel supports them: clearing
/// gigabytes in small pages takes longer than reading and casting the weights. The whole block is freed with the last
/// of its tensors.
class WeightMemory {
 public:
  /// Bytes reserved for a tensor of `size` bytes.
  static std::size_t padded(std::size_t size);

  /// `bytes`: the sum of padded() over all tensors. Throws std::bad_alloc.
  explicit WeightMemory(std::size_t bytes);

  /// An uninitialized contiguous tensor. Throws std::bad_alloc if the block is used up.
  torch::Tensor take(at::IntArrayRef sizes, torch::ScalarType dtype);

 private:
  std::shared_ptr<std::byte> data_;
  std::size_t size_;
  std::size_t used_ = 0;
};

}  // namespace fmboost
