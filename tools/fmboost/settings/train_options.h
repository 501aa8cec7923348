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
  std::string crop = enum_name(ImageCropOptions{}.place);
  std::string downsample = enum_name(ImageCropOptions{}.downsampling);
  std::string objective = enum_name(FlowLossOptions{}.objective);
  std::string noiseless_loss = enum_name(FlowLossOptions{}.noiseless_loss);
  std::string path = enum_name(FlowLossOptions{}.path);
  std::string upsampling = enum_name(FlowLossOptions{}.upsampling);
  std::string applies_to = enum_name(InstallOptions{}.applies_to);
  bool no_context = false;
  bool no_tensorboard = false;
  std::int64_t cache_mebibytes = LatentCacheOptions{}.memory_limit >> 20;
};

void add_train_options(CLI::App& app, TrainFlags& flags);

/// Reads the texts into flags.options. With --init, the network's configuration comes from the weights, unless an
/// option of `app` sets it. Throws UsageError.
void resolve(const CLI::App& app, TrainFlags& flags);

}  // namespace fmboost::tool
