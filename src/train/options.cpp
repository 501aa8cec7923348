#include "fmboost/train/options.h"

#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/placement.h"

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

void TrainOptions::check() const {
  flow.check();
  network.check();
  optimizer.check();
  schedule.check();
  ema.check();
  require_option(clip_norm >= 0,
          "the gradient's largest norm must be at least 0 (no limit), not " + std::to_string(clip_norm));
  require_option(accumulate >= 1 && accumulate <= 65536,
          "gradients are accumulated over 1 to 65536 batches, not " + std::to_string(accumulate));
  require_option(precision == "auto" || precision == "float32" || precision == "bf16-mixed",
          "the precision must be auto, float32 or bf16-mixed, not '" + precision + "'");
  require_option(memory_format == "auto" || memory_format == "channels-last" || memory_format == "contiguous",
          "the memory format must be auto, channels-last or contiguous, not '" + memory_format + "'");
  require_option(batch_size >= 1 && batch_size <= 65536, "a batch has 1 to 65536 samples, not " + std::to_string(batch_size));
  require_option(steps >= 1, "a training has at least 1 step, not " + std::to_string(steps));
  const std::int64_t with_context = flow.with_context ? 2 : 1;
  require_option(network.in_channels == with_context * network.out_channels,
          "the network must take " + std::to_string(with_context * network.out_channels) + " channels (x_t" +
              (flow.with_context ? " and the context" : "") + ") and not " + std::to_string(network.in_channels));
}

std::string precision_on(const std::string& precision, torch::Device device) {
  if (precision != "auto") {
    return precision;
  }
  return !device.is_cpu() || cpu_has_fast_bfloat16() ? "bf16-mixed" : "float32";
}

nlohmann::json to_json(const TrainOptions& o) {
  return {{"flow",
           {{"objective", objective_name(o.flow.objective)},
            {"rollout_steps", o.flow.rollout_steps},
            {"noiseless_loss", noiseless_loss_name(o.flow.noiseless_loss)},
            {"path", enum_name(o.flow.path)},
            {"sigma_min", o.flow.sigma_min},
            {"upsampling", enum_name(o.flow.upsampling)},
            {"noising_step", o.flow.noising_step},
            {"noising_step_max", o.flow.noising_step_max.value_or(o.flow.noising_step)},
            {"noising_share", o.flow.noising_share},
            {"start_from_noise", o.flow.start_from_noise},
            {"with_context", o.flow.with_context}}},
          {"network", nlohmann::json::parse(to_json_text(o.network))},
          {"optimizer",
           {{"method", o.optimizer.method},
            {"lr", o.optimizer.lr},
            {"beta1", o.optimizer.beta1},
            {"beta2", o.optimizer.beta2},
            {"eps", o.optimizer.eps},
            {"weight_decay", o.optimizer.weight_decay},
            {"kernels", o.optimizer.kernels}}},
          {"schedule",
           {{"shape", o.schedule.shape},
            {"warmup_steps", o.schedule.warmup_steps},
            {"final_factor", o.schedule.final_factor}}},
          {"ema",
           {{"beta", o.ema.beta},
            {"update_after_step", o.ema.update_after_step},
            {"update_every", o.ema.update_every},
            {"power", o.ema.power}}},
          {"clip_norm", o.clip_norm},
          {"accumulate", o.accumulate},
          {"precision", o.precision},
          {"memory_format", o.memory_format},
          {"batch_size", o.batch_size},
          {"steps", o.steps},
          {"seed", o.seed}};
}

}  // namespace fmboost
