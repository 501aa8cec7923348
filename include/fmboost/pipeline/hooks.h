#pragma once

#include <functional>
#include <string>
#include <torch/types.h>

#include "fmboost/core/progress.h"

namespace fmboost {

/// Callbacks while an image is upscaled, on the caller's thread. Each may be empty.
struct Hooks {
  ProgressCallback progress;
  /// Receives what a coupling computes on the way: "context-I" and "high_latent-I" for coupling I, counted from 0.
  std::function<void(const std::string& name, const torch::Tensor& tensor)> intermediate;
};

}  // namespace fmboost
