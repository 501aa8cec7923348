#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "fmboost/train/training_run.h"

#include "cli/common_options.h"

namespace fmboost::tool {

/// The command line of `train`; resolve() parses its texts.
struct TrainFlags {
  RunOptions run;
  TrainingRunOptions options;
  std::string crop = crop_place_name(ImageCropOptions{}.place);
  std::string downsample = downsampling_name(ImageCropOptions{}.downsampling);
  std::string objective = objective_name(FlowLossOptions{}.objective);
  std::string noiseless_loss = noiseless_loss_name(FlowLossOptions{}.noiseless_loss);
  std::string path = path_name(FlowLossOptions{}.path);
  std::string upsampling = upsampling_name(FlowLossOptions{}.upsampling);
  std::string applies_to = image_source_name(IntoBundleOptions{}.applies_to);
  bool no_context = false;
  bool no_tensorboard = false;
  std::int64_t cache_mebibytes = LatentCacheOptions{}.memory_limit >> 20;
};

void add_train_options(CLI::App& app, TrainFlags& flags);

/// Reads the texts into flags.options. With --init, the network's configuration comes from the weights, unless an
/// option of `app` sets it. Throws UsageError.
void resolve(const CLI::App& app, TrainFlags& flags);

}  // namespace fmboost::tool
