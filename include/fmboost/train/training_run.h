#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/data/options.h"
#include "fmboost/model/manifest.h"
#include "fmboost/train/options.h"

namespace fmboost {

/// The sources of the pairs, and how they are loaded.
struct TrainingDataOptions {
  /// Shards, or folders of images that are encoded on the fly. With folders of several factors one network learns all
  /// of these factors.
  std::vector<std::filesystem::path> training;
  std::vector<std::filesystem::path> validation;  ///< likewise; empty: no validation
  bool accept_other_autoencoder = false;          ///< accepts shards that were made with another bundle's autoencoder
  ImageDatasetOptions images;                     ///< how images are cropped and cached
  std::vector<std::int64_t> crop_sizes;  ///< latent pixels; empty: whole samples; several: one is drawn for each batch
  int num_workers = 2;                   ///< loader threads
  int prefetch = 4;                      ///< batches loaded ahead
};

/// A bundle into which the trained coupling is installed, and the coupling's entry there.
struct InstallOptions {
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
  InstallOptions install;
  std::filesystem::path bundle;  ///< provides the autoencoder of the latents
  std::filesystem::path output;  ///< folder of the run
  std::filesystem::path init;    ///< weights to start from; empty: fresh ones
  std::int64_t factor = 0;       ///< by which the coupling upscales; 0: taken from the data, or 2 if it has none
  int keep_checkpoints = 3;
  bool tensorboard = true;
  bool resume = false;
  std::int64_t resume_step = -1;  ///< -1: the newest checkpoint
  bool force = false;             ///< starts over in a folder that holds a run, and replaces a bundle's coupling
  std::string device = "auto";
  std::string dtype = "auto";  ///< of the autoencoder
  std::string settings;        ///< saved as train.toml in the run's folder

  /// Throws UsageError or ModelError naming what is missing or out of range.
  void check() const;
};

/// The best checkpoint according to validation.
struct BestCheckpoint {
  std::int64_t step = 0;
  double psnr = 0;
};

struct TrainingRunResult {
  std::filesystem::path weights;         ///< the averaged weights, cfm-<factor>x.safetensors or cfm-2x-4x.safetensors
  std::filesystem::path bundle_weights;  ///< their copy in the bundle; empty without one
  std::int64_t steps = 0;
  std::optional<BestCheckpoint> best;
  int rank = 0;  ///< of this process; only rank 0 has written the files
};

/// Trains in as many processes as the environment specifies (RANK and WORLD_SIZE, as set by torchrun, or srun's
/// variables). They share the run's folder, which rank 0 writes: checkpoints/, metrics.jsonl, tensorboard/, images/,
/// train.toml and the weights. Everything that can be checked is checked before the first step. Throws Interrupted
/// after a signal, once the run has been saved.
TrainingRunResult run_training(const TrainingRunOptions& options);

}  // namespace fmboost
