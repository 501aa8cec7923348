#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

#include "fmboost/train/options.h"

namespace fmboost {

/// Averages `source` into `average`, tensor by tensor. Both lists share their tensors with the caller.
class Ema {
 public:
  /// Copies the source. The lists must have the same shapes in the same order.
  Ema(std::vector<torch::Tensor> source, std::vector<torch::Tensor> average, EmaOptions options);

  /// average <- decay average + (1 - decay) source, without waiting for the device.
  void update();

  std::int64_t updates() const { return updates_; }
  /// For a resumed run.
  void set_updates(std::int64_t updates) { updates_ = updates; }

 private:
  std::vector<torch::Tensor> source_, average_;
  EmaOptions options_;
  std::int64_t updates_ = 0;
};

}  // namespace fmboost
