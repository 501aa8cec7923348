#include "train/autocast.h"

#include <ATen/autocast_mode.h>

#include "fmboost/core/placement.h"

namespace fmboost {

Autocast::Autocast(bool enabled, torch::Device device, torch::ScalarType dtype)
    : enabled_(enabled), type_(device.type()) {
  if (!enabled_) {
    return;
  }
  was_enabled_ = at::autocast::is_autocast_enabled(type_);
  old_dtype_ = at::autocast::get_autocast_dtype(type_);
  at::autocast::increment_nesting();
  at::autocast::set_autocast_dtype(type_, dtype);
  at::autocast::set_autocast_enabled(type_, true);
}

Autocast::~Autocast() {
  if (!enabled_) {
    return;
  }
  at::autocast::set_autocast_enabled(type_, was_enabled_);
  at::autocast::set_autocast_dtype(type_, old_dtype_);
  if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();  // the cast weights, which the optimizer is about to change
  }
}

std::string resolve_precision(const std::string& precision, torch::Device device) {
  if (precision != "auto") {
    return precision;
  }
  return !device.is_cpu() || cpu_has_fast_bfloat16() ? "bf16-mixed" : "float32";
}

}  // namespace fmboost
