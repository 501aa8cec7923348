#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

#include "fmboost/train/options.h"

namespace fmboost {

/// Adam (arXiv 1412.6980) and AdamW (arXiv 1711.05101), as torch.optim computes them. LibTorch's own C++ optimizers
/// process one tensor at a time; this one calls the kernels that process all tensors at once.
class Adam {
 public:
  Adam(std::vector<torch::Tensor> parameters, OptimizerOptions options);

  /// One step with the parameters' gradients; a missing gradient counts as zeros. Does not synchronize with the device.
  void step(double lr);

  /// The gradients in the order of the parameters.
  std::vector<torch::Tensor> gradients() const;
  /// Removes the gradients, so that the next backward pass allocates new ones.
  void clear_gradients();

  const std::vector<torch::Tensor>& parameters() const { return parameters_; }
  /// Running means of the gradients and of their squares, in the parameters' shapes.
  const std::vector<torch::Tensor>& first_moments() const { return first_; }
  const std::vector<torch::Tensor>& second_moments() const { return second_; }
  std::int64_t steps() const { return steps_; }
  /// For a resumed run.
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  void step_fused(const std::vector<torch::Tensor>& gradients, double lr);
  void step_foreach(std::vector<torch::Tensor> gradients, double lr);

  std::vector<torch::Tensor> parameters_, first_, second_;
  OptimizerOptions options_;
  bool fused_;
  std::int64_t steps_ = 0;
  torch::Tensor step_count_;  ///< float32 on the parameters' device, as the fused kernels require
};

/// The norm over all elements of all tensors, a scalar on their device.
torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors);

/// Scales the tensors so that their global norm is at most `limit`, like torch.nn.utils.clip_grad_norm_, without
/// synchronizing with the device. Returns the norm before clipping.
torch::Tensor clip_global_norm(const std::vector<torch::Tensor>& tensors, double limit);

}  // namespace fmboost
