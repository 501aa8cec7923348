#pragma once

#include <torch/types.h>

namespace fmboost {

/// What the parameters of a network are when it is constructed.
enum class ParameterMemory {
  usual,  ///< layers::...: shapes without memory, for load_into(); networks of torch::nn, which are trained: drawn
  none    ///< shapes without memory in networks of torch::nn too
};

/// Determines it for the networks that this thread constructs while the object exists.
class ParameterMemoryGuard {
 public:
  explicit ParameterMemoryGuard(ParameterMemory memory);
  ~ParameterMemoryGuard();
  ParameterMemoryGuard(const ParameterMemoryGuard&) = delete;
  ParameterMemoryGuard& operator=(const ParameterMemoryGuard&) = delete;

 private:
  ParameterMemory before_;
};

ParameterMemory parameter_memory();

/// A float32 tensor with a shape and no memory: all strides are zero, one element stands for all.
torch::Tensor shape_only(at::IntArrayRef sizes);

}  // namespace fmboost
