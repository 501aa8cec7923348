#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "fmboost/train/training_run.h"

#include "cli/common_options.h"

namespace fmboost::tool {

/// What `train` takes, with the texts that are parsed later.
struct TrainFlags {
  RunOptions run;
  TrainingRunOptions options;
  std::string crop = enum_name(ImageCropOptions{}.place);
  std::string downsampling = enum_name(ImageCropOptions{}.downsampling);
  std::string objective = enum_name(FlowLossOptions{}.objective);
  std::string noiseless_loss = enum_name(FlowLossOptions{}.noiseless_loss);
  std::string path = enum_name(FlowLossOptions{}.path);
  std::string coupling = enum_name(FlowLossOptions{}.upsampling);
  std::string applies_to = enum_name(InstallOptions{}.applies_to);
  bool no_context = false;
  bool no_tensorboard = false;
  std::int64_t cache_mebibytes = LatentCacheOptions{}.memory_limit >> 20;
};

void add_train_options(CLI::App& app, TrainFlags& flags);

/// Reads the texts into flags.options. Of weights to start from, the network's configuration is taken where no option
/// of `app` gives one. Throws UsageError.
void finish(const CLI::App& app, TrainFlags& flags);

}  // namespace fmboost::tool
