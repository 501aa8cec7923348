#include "train/ema.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "fmboost/core/error.h"

namespace fmboost {

void EmaOptions::check() const {
  if (!(beta >= 0 && beta < 1)) {
    throw UsageError("the EMA's beta must be at least 0 and less than 1, not " + std::to_string(beta));
  }
  if (update_after_step < 0 || update_every < 1) {
    throw UsageError("the EMA must start after at least 0 steps and be updated every 1 or more");
  }
  if (!(power > 0)) {
    throw UsageError("the EMA's power must be greater than 0, not " + std::to_string(power));
  }
}

double EmaOptions::decay(std::int64_t update) const {
  const auto epoch = static_cast<double>(update - update_after_step - 1);
  return epoch <= 0 ? 0.0 : std::min(beta, 1 - std::pow(1 + epoch, -power));
}

Ema::Ema(std::vector<torch::Tensor> source, std::vector<torch::Tensor> average, EmaOptions options)
    : source_(std::move(source)), average_(std::move(average)), options_(options) {
  options_.check();
  const torch::NoGradGuard no_grad;
  at::_foreach_copy_(average_, source_);
}

void Ema::update() {
  ++updates_;
  if ((updates_ - 1) % options_.update_every != 0) {
    return;
  }
  const torch::NoGradGuard no_grad;
  const double decay = options_.decay(updates_);
  if (decay == 0.0) {
    at::_foreach_copy_(average_, source_);
  } else {
    at::_foreach_lerp_(average_, source_, 1 - decay);
  }
}

}  // namespace fmboost
