#pragma once

#include <torch/types.h>

namespace fmboost {

/// Mixed precision while it lives: matrix products and convolutions on `device` compute in `dtype`, what needs range
/// stays float32. What torch.autocast does, which C++ has no class for.
class Autocast {
 public:
  /// Does nothing when not `enabled`.
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

}  // namespace fmboost
