#pragma once

#include <cstdint>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

struct OptimizerOptions {
  std::string method = "adam";  ///< adam (weight decay is added to the gradient) or adamw (decoupled)
  double lr = 3e-5;             ///< before the schedule's factor
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
  std::string kernels = "auto";  ///< fused, foreach, or auto: fused where LibTorch has it for the device

  /// Throws UsageError naming what is out of range or unknown.
  void check() const;
};

/// Adam (arXiv 1412.6980) and AdamW (arXiv 1711.05101), as torch.optim computes them. LibTorch's own C++ optimizers
/// work tensor by tensor; this one calls the kernels that take all tensors at once.
class Adam {
 public:
  Adam(std::vector<torch::Tensor> parameters, OptimizerOptions options);

  /// One step on the gradients that the parameters hold; a parameter without one counts as having zeros. Does not wait
  /// for the device.
  void step(double lr);

  /// The gradients as they are, in the order of the parameters.
  std::vector<torch::Tensor> gradients() const;
  /// Drops the gradients, so that the next backward pass makes new ones.
  void clear_gradients();

  const std::vector<torch::Tensor>& parameters() const { return parameters_; }
  /// Running means of the gradients and of their squares, of the parameters' shapes.
  const std::vector<torch::Tensor>& first_moments() const { return first_; }
  const std::vector<torch::Tensor>& second_moments() const { return second_; }
  std::int64_t steps() const { return steps_; }
  /// For a run that goes on.
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  void step_fused(const std::vector<torch::Tensor>& gradients, double lr);
  void step_foreach(std::vector<torch::Tensor> gradients, double lr);

  std::vector<torch::Tensor> parameters_, first_, second_;
  OptimizerOptions options_;
  bool fused_;
  std::int64_t steps_ = 0;
  torch::Tensor step_count_;  ///< float32 on the parameters' device, where the fused kernels want it
};

/// The norm over all elements of all tensors, a scalar on their device.
torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors);

/// Scales the tensors so that their global norm is at most `limit`, as torch.nn.utils.clip_grad_norm_ does, without
/// waiting for the device. Returns the norm before.
torch::Tensor clip_global_norm(const std::vector<torch::Tensor>& tensors, double limit);

}  // namespace fmboost
