#include "train/optimizer/optimizer.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <cmath>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

std::vector<torch::Tensor> zeros_like(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> zeros;
  zeros.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    zeros.push_back(torch::zeros_like(tensor));
  }
  return zeros;
}

bool has_fused_kernel(const std::string& method, torch::Device device) {
  const std::string name = method == "adamw" ? "aten::_fused_adamw_" : "aten::_fused_adam_";
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  return found && found->hasKernelForDispatchKey(device.is_cuda() ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU);
}

bool choose_fused(const OptimizerOptions& options, torch::Device device) {
  if (options.kernels == "foreach") {
    return false;
  }
  const bool available = has_fused_kernel(options.method, device);
  if (!available && options.kernels == "fused") {
    throw Error("this LibTorch has no fused " + options.method + " for " + device.str() +
                "; use `optimizer_kernels` foreach");
  }
  if (!available) {
    log_info("this LibTorch has no fused " + options.method + " for " + device.str() +
             "; the optimizer uses foreach kernels");
  }
  return available;
}

}  // namespace

Adam::Adam(std::vector<torch::Tensor> parameters, OptimizerOptions options)
    : parameters_(std::move(parameters)), options_(std::move(options)) {
  options_.check();
  if (parameters_.empty()) {
    throw Error("the optimizer was given no parameters");
  }
  const torch::NoGradGuard no_grad;
  first_ = zeros_like(parameters_);
  second_ = zeros_like(parameters_);
  fused_ = choose_fused(options_, parameters_.front().device());
  step_count_ = torch::zeros({}, parameters_.front().options().dtype(torch::kFloat32).requires_grad(false));
}

std::vector<torch::Tensor> Adam::gradients() const {
  std::vector<torch::Tensor> gradients;
  gradients.reserve(parameters_.size());
  for (const auto& parameter : parameters_) {
    gradients.push_back(parameter.grad().defined() ? parameter.grad() : torch::zeros_like(parameter));
  }
  return gradients;
}

void Adam::clear_gradients() {
  for (auto& parameter : parameters_) {
    parameter.mutable_grad().reset();
  }
}

void Adam::step(double lr) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  if (fused_) {
    step_fused(gradients(), lr);
  } else {
    step_foreach(gradients(), lr);
  }
}

// All parameters share one step count, since the kernel only reads it.
void Adam::step_fused(const std::vector<torch::Tensor>& gradients, double lr) {
  step_count_.fill_(static_cast<double>(steps_));
  const std::vector<torch::Tensor> counts(parameters_.size(), step_count_);
  const auto call = [&](auto kernel) {
    kernel(parameters_, gradients, first_, second_, /*max_exp_avg_sqs=*/at::TensorList(), counts, lr, options_.beta1,
           options_.beta2, options_.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  };
  if (options_.method == "adamw") {
    call([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
  } else {
    call([](auto&&... arguments) { at::_fused_adam_(arguments...); });
  }
}

void Adam::step_foreach(std::vector<torch::Tensor> gradients, double lr) {
  const auto step = static_cast<double>(steps_);
  const double correction1 = 1 - std::pow(options_.beta1, step);
  const double correction2 = 1 - std::pow(options_.beta2, step);
  if (options_.weight_decay > 0 && options_.method == "adamw") {
    at::_foreach_mul_(parameters_, 1 - lr * options_.weight_decay);
  } else if (options_.weight_decay > 0) {
    gradients = at::_foreach_add(gradients, parameters_, options_.weight_decay);
  }
  at::_foreach_lerp_(first_, gradients, 1 - options_.beta1);
  at::_foreach_mul_(second_, options_.beta2);
  at::_foreach_addcmul_(second_, gradients, gradients, 1 - options_.beta2);
  auto denominators = at::_foreach_sqrt(second_);
  at::_foreach_div_(denominators, std::sqrt(correction2));
  at::_foreach_add_(denominators, options_.eps);
  at::_foreach_addcdiv_(parameters_, first_, denominators, -lr / correction1);
}

torch::Tensor global_norm(const std::vector<torch::Tensor>& tensors) {
  const torch::NoGradGuard no_grad;
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(tensors, 2)));
}

torch::Tensor clip_global_norm(const std::vector<torch::Tensor>& tensors, double limit) {
  const torch::NoGradGuard no_grad;
  torch::Tensor norm = global_norm(tensors);
  at::_foreach_mul_(tensors, (limit / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

}  // namespace fmboost
