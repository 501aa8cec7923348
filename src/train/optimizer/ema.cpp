#include "train/optimizer/ema.h"

#include <utility>

namespace fmboost {

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
