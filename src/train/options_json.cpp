#include "train/options_json.h"

#include <nlohmann/json.hpp>

namespace fmboost {

nlohmann::json to_json(const TrainOptions& options) {
  return {{"flow",
           {{"objective", enum_name(options.flow.objective)},
            {"rollout_steps", options.flow.rollout_steps},
            {"noiseless_loss", enum_name(options.flow.noiseless_loss)},
            {"path", enum_name(options.flow.path)},
            {"sigma_min", options.flow.sigma_min},
            {"upsampling", enum_name(options.flow.upsampling)},
            {"noising_step", options.flow.noising_step},
            {"noising_step_max", options.flow.noising_step_max.value_or(options.flow.noising_step)},
            {"noising_share", options.flow.noising_share},
            {"start_from_noise", options.flow.start_from_noise},
            {"with_context", options.flow.with_context}}},
          {"network", nlohmann::json::parse(to_json_text(options.network))},
          {"optimizer",
           {{"method", options.optimizer.method},
            {"lr", options.optimizer.lr},
            {"beta1", options.optimizer.beta1},
            {"beta2", options.optimizer.beta2},
            {"eps", options.optimizer.eps},
            {"weight_decay", options.optimizer.weight_decay},
            {"kernels", options.optimizer.kernels}}},
          {"schedule",
           {{"shape", options.schedule.shape},
            {"warmup_steps", options.schedule.warmup_steps},
            {"final_factor", options.schedule.final_factor}}},
          {"ema",
           {{"beta", options.ema.beta},
            {"update_after_step", options.ema.update_after_step},
            {"update_every", options.ema.update_every},
            {"power", options.ema.power}}},
          {"clip_norm", options.clip_norm},
          {"accumulate", options.accumulate},
          {"precision", options.precision},
          {"memory_format", options.memory_format},
          {"batch_size", options.batch_size},
          {"steps", options.steps},
          {"seed", options.seed}};
}

}  // namespace fmboost
