#include "fmboost/train/options.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

void require_option(bool condition, const std::string& message) {
  if (!condition) {
    throw UsageError(message);
  }
}

}  // namespace

CfmUnetOptions published_cfm_network() {
  CfmUnetOptions options;
  options.use_linear_attn = false;
  return options;
}

void OptimizerOptions::check() const {
  require_option(method == "adam" || method == "adamw", "`optimizer` must be adam or adamw, got '" + method + "'");
  require_option(kernels == "auto" || kernels == "fused" || kernels == "foreach",
                 "`optimizer_kernels` must be auto, fused or foreach, got '" + kernels + "'");
  require_option(lr > 0 && std::isfinite(lr), "`lr` must be greater than 0, got " + std::to_string(lr));
  require_option(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1,
                 "`beta1` and `beta2` must be at least 0 and less than 1");
  require_option(eps > 0 && std::isfinite(eps), "`eps` must be greater than 0");
  require_option(weight_decay >= 0 && std::isfinite(weight_decay), "`weight_decay` must be at least 0");
}

void LrScheduleOptions::check() const {
  require_option(shape == "constant" || shape == "cosine",
                 "`lr_schedule` must be constant or cosine, got '" + shape + "'");
  require_option(warmup_steps >= 0, "`warmup` must be at least 0, got " + std::to_string(warmup_steps));
  require_option(final_factor >= 0 && final_factor <= 1,
                 "`lr_final_factor` must be from 0 to 1, got " + std::to_string(final_factor));
}

double LrScheduleOptions::factor(std::int64_t done, std::int64_t total) const {
  if (done < warmup_steps) {
    return static_cast<double>(done) / static_cast<double>(warmup_steps);
  }
  if (shape == "constant") {
    return 1.0;
  }
  const auto length = static_cast<double>(std::max<std::int64_t>(total - warmup_steps, 1));
  const double progress = std::min(static_cast<double>(done - warmup_steps) / length, 1.0);
  return final_factor + (1 - final_factor) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

void EmaOptions::check() const {
  require_option(beta >= 0 && beta < 1, "`ema_beta` must be at least 0 and less than 1, got " + std::to_string(beta));
  require_option(update_after_step >= 0,
                 "`ema_update_after_step` must be at least 0, got " + std::to_string(update_after_step));
  require_option(update_every >= 1, "`ema_update_every` must be at least 1, got " + std::to_string(update_every));
  require_option(power > 0, "`ema_power` must be greater than 0, got " + std::to_string(power));
}

double EmaOptions::decay(std::int64_t update) const {
  const auto epoch = static_cast<double>(update - update_after_step - 1);
  return epoch <= 0 ? 0.0 : std::min(beta, 1 - std::pow(1 + epoch, -power));
}

void TrainOptions::check() const {
  flow.check();
  network.check();
  optimizer.check();
  schedule.check();
  ema.check();
  require_option(clip_norm >= 0, "`clip_norm` must be at least 0 (0: no limit), got " + std::to_string(clip_norm));
  require_option(accumulate >= 1 && accumulate <= 65536,
                 "`accumulate` must be from 1 to 65536, got " + std::to_string(accumulate));
  require_option(precision == "auto" || precision == "float32" || precision == "bf16-mixed",
                 "`precision` must be auto, float32 or bf16-mixed, got '" + precision + "'");
  require_option(memory_format == "auto" || memory_format == "channels-last" || memory_format == "contiguous",
                 "`memory_format` must be auto, channels-last or contiguous, got '" + memory_format + "'");
  require_option(batch_size >= 1 && batch_size <= 65536,
                 "`batch_size` must be from 1 to 65536, got " + std::to_string(batch_size));
  require_option(steps >= 1, "`steps` must be at least 1, got " + std::to_string(steps));
  const std::int64_t channels = (flow.with_context ? 2 : 1) * network.out_channels;
  require_option(network.in_channels == channels,
                 "the network must have " + std::to_string(channels) + " input channels (x_t" +
                     (flow.with_context ? " and the context" : "") + "), got " + std::to_string(network.in_channels));
}

void TrainerOptions::check() const {
  require_option(log_every >= 1, "`log_every` must be at least 1, got " + std::to_string(log_every));
  require_option(validate_every >= 0, "`validate_every` must be at least 0, got " + std::to_string(validate_every));
  require_option(checkpoint_every >= 0,
                 "`checkpoint_every` must be at least 0, got " + std::to_string(checkpoint_every));
}

void ValidationOptions::check() const {
  ode.check();
  require_option(pairs >= 1, "`val_pairs` must be at least 1, got " + std::to_string(pairs));
  require_option(batch_size >= 1, "`val_batch_size` must be at least 1, got " + std::to_string(batch_size));
  require_option(sheet_pairs >= 0, "`val_sheet` must be at least 0, got " + std::to_string(sheet_pairs));
}

}  // namespace fmboost
