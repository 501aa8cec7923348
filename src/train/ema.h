#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// Exponential moving average of the weights, with the published training's schedule
/// (https://github.com/lucidrains/ema-pytorch).
struct EmaOptions {
  double beta = 0.999;                    ///< the largest decay
  std::int64_t update_after_step = 1000;  ///< until this many updates the average is a copy
  std::int64_t update_every = 1;          ///< of the updates asked for, only each such one changes the average
  double power = 0.75;                    ///< how fast the decay grows

  /// Throws UsageError naming what is out of range.
  void check() const;
  /// The decay at the nth update, counted from 1: min(beta, 1 - (1 + epoch)^-power) with
  /// epoch = update - update_after_step - 1; 0 (a copy) up to epoch 0.
  double decay(std::int64_t update) const;
};

/// Keeps `average` beside `source`, tensor by tensor; both stay the caller's.
class Ema {
 public:
  /// Copies the source. The lists must have the same shapes in the same order.
  Ema(std::vector<torch::Tensor> source, std::vector<torch::Tensor> average, EmaOptions options);

  /// average <- decay average + (1 - decay) source, without waiting for the device.
  void update();

  std::int64_t updates() const { return updates_; }
  /// For a run that goes on.
  void set_updates(std::int64_t updates) { updates_ = updates; }

 private:
  std::vector<torch::Tensor> source_, average_;
  EmaOptions options_;
  std::int64_t updates_ = 0;
};

}  // namespace fmboost
