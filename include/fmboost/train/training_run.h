#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/train/options.h"

#include "data/image_dataset.h"
#include "train/log/run_log.h"
#include "train/trainer.h"
#include "train/validation.h"

namespace fmboost {

/// Where pairs come from, and how they are dealt out.
struct TrainingDataOptions {
  /// Shards, or folders of images that are encoded on the fly. Folders of several factors teach one network them all.
  std::vector<std::filesystem::path> training;
  std::vector<std::filesystem::path> validation;  ///< the same; empty: no validation
  bool accept_other_autoencoder = false;          ///< of shards that were made with another bundle
  ImageDatasetOptions images;                     ///< how images are cut and cached
  std::vector<std::int64_t> crop_sizes;  ///< latent pixels; none: whole samples; several: one drawn for each batch
  int workers = 2;                       ///< threads that load
  int prefetch = 4;                      ///< batches held ready
};

/// A bundle that takes the trained coupling, and what its entry says besides.
struct IntoBundleOptions {
  std::filesystem::path bundle;  ///< empty: none
  ImageSource applies_to = ImageSource::any;
  std::string solver = "euler";
  int flow_steps = 4;
  int back_projection = 2;
};

/// A whole training, from data to a coupling's weights.
struct TrainingRunOptions {
  TrainOptions train;  ///< network.in_channels and out_channels are set from the bundle's latents
  TrainerOptions trainer;
  ValidationOptions validation;
  TrainingDataOptions data;
  IntoBundleOptions into;
  std::filesystem::path bundle;  ///< whose autoencoder made, or makes, the latents
  std::filesystem::path output;  ///< folder of the run
  std::filesystem::path init;    ///< weights to start from; empty: fresh ones
  std::int64_t factor = 0;       ///< how much larger the coupling makes images; 0: what the data says, else 2
  int keep_checkpoints = 3;
  bool tensorboard = true;
  bool resume = false;
  std::int64_t resume_step = -1;  ///< -1: the newest checkpoint
  bool force = false;             ///< starts over in a folder that holds a run, or replaces a bundle's coupling
  std::string device = "auto";
  std::string dtype = "auto";  ///< of the autoencoder
  std::string settings;        ///< is kept as train.toml in the run's folder

  /// Throws UsageError or ModelError naming what is missing or out of range.
  void check() const;
};

struct TrainingRunResult {
  std::filesystem::path weights;         ///< the averaged weights, cfm-<factor>x.safetensors or cfm-2x-4x.safetensors
  std::filesystem::path bundle_weights;  ///< their copy in the bundle; empty without one
  std::int64_t steps = 0;
  std::optional<BestCheckpoint> best;
};

/// Trains, in as many processes as the environment says (ProcessGroupOptions::from_environment), which share the run's
/// folder; the first one writes. The folder gets checkpoints/, metrics.csv, metrics.jsonl, tensorboard/, images/,
/// train.toml and the weights. Everything that can be checked is checked before the first step. Throws Interrupted
/// after a signal, when the run has been saved.
TrainingRunResult run_training(const TrainingRunOptions& options);

}  // namespace fmboost
