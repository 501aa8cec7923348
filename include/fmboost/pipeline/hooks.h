#pragma once

#include <functional>
#include <map>
#include <string>
#include <torch/types.h>

#include "fmboost/core/progress.h"

namespace fmboost {

/// Seconds by stage.
using StageSeconds = std::map<std::string, double>;

/// Callbacks while an image is upscaled, on the caller's thread. Each may be empty.
struct Hooks {
  ProgressCallback progress;
  /// Receives what a coupling computes on the way: "context-I" and "high_latent-I" for coupling I, counted from 0.
  std::function<void(const std::string& name, const torch::Tensor& tensor)> intermediate;
  /// Receives the seconds of a stage when it is finished: resize, encode, flow and decode of every coupling, or
  /// network and resize of a pixel upscaler, then back_projection and color_fix if there are any. Loading a network is
  /// part of the stage that needs it first.
  std::function<void(const std::string& stage, double seconds)> timing = {};
};

}  // namespace fmboost
