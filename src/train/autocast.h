#pragma once

#include <string>
#include <torch/types.h>

namespace fmboost {

/// Mixed precision during its lifetime, like torch.autocast, for which C++ has no class: matrix products and
/// convolutions on `device` compute in `dtype`, operators that need the range stay float32.
class Autocast {
 public:
  /// Does nothing unless `enabled`.
  Autocast(bool enabled, torch::Device device, torch::ScalarType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool enabled_;
  at::DeviceType type_;
  bool was_enabled_ = false;
  torch::ScalarType old_dtype_ = torch::kFloat32;
};

/// Replaces auto: bf16-mixed on GPUs and on CPUs with instructions for bfloat16, where it is faster than float32, and
/// float32 on other CPUs. Other values are returned as they are.
std::string resolve_precision(const std::string& precision, torch::Device device);

}  // namespace fmboost
