#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <torch/types.h>

#include "fmboost/nn/cfm_unet_options.h"

#include "train/ema.h"
#include "train/flow_loss.h"
#include "train/lr_schedule.h"
#include "train/optimizer.h"

namespace fmboost {

/// The published training's network: CfmUnetOptions' defaults with softmax attention.
CfmUnetOptions published_cfm_network();

/// What decides the weights of a training, given its data. The defaults are the published training
/// (https://github.com/CompVis/fm-upscaling).
struct TrainOptions {
  FlowLossOptions flow;
  CfmUnetOptions network = published_cfm_network();
  OptimizerOptions optimizer;
  LrScheduleOptions schedule;
  EmaOptions ema;
  double clip_norm = 0.0;       ///< largest norm of the gradient over all weights; 0: no limit
  std::int64_t accumulate = 1;  ///< batches whose gradients are averaged into one step
  /// bf16-mixed (autocast; weights stay float32), which is the published one, float32, or auto: see precision_on().
  std::string precision = "auto";
  /// Of weights and activations: channels-last, contiguous, or auto: what is faster, channels-last on GPUs (tensor
  /// cores) and contiguous on CPUs (docs/training.md has the numbers).
  std::string memory_format = "auto";
  std::int64_t batch_size = 8;  ///< samples a process and batch
  std::int64_t steps = 100000;  ///< optimizer steps of the whole run
  std::uint64_t seed = 42;

  /// Throws UsageError or ModelError naming what is out of range.
  void check() const;
};

/// The precision that is meant on a device: of auto, bf16-mixed on GPUs and on CPUs with instructions for bfloat16,
/// where it is faster than float32, and float32 on others.
std::string precision_on(const std::string& precision, torch::Device device);

/// Every field under its name, nested as the structs are.
nlohmann::json to_json(const TrainOptions& options);

}  // namespace fmboost
