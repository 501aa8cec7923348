#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/training_state.h"

namespace fmboost {

/// Where a run stands, beside the tensors. Nothing else is random or counted: a sample's noise depends on the seed and
/// its number, and its place in the data on the number alone, so that no generator's state outlives a step.
struct RunPosition {
  std::int64_t step = 0;     ///< optimizer steps done
  std::int64_t samples = 0;  ///< taken by all processes together
  std::int64_t ema_updates = 0;
  std::int64_t dataset_size = 0;  ///< pairs; a run that goes on with other data is told so
};

/// The best checkpoint by validation.
struct BestCheckpoint {
  std::int64_t step = 0;
  double psnr = 0;
};

/// The checkpoints of one run: a folder with a folder each, "step-00001000", which holds model.safetensors and
/// ema.safetensors (published names, the network's configuration in the metadata: what --init takes),
/// exp_avg.safetensors and exp_avg_sq.safetensors (Adam's moments) and checkpoint.json.
///
/// A checkpoint is written under another name, synced and renamed: whatever is killed at whatever moment, a name in
/// this form holds a whole checkpoint. One process at a time writes.
class CheckpointFolder {
 public:
  /// Creates the folder where it is missing. Keeps the `keep` newest checkpoints, and the best one.
  CheckpointFolder(std::filesystem::path folder, int keep);

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path path_of(std::int64_t step) const;
  /// Of the complete checkpoints, ascending.
  std::vector<std::int64_t> steps() const;

  /// Writes one and drops those that need not be kept. Throws Error naming the file and the reason, and then leaves the
  /// older ones as they were.
  void save(const TrainingState& state, const RunPosition& position);

  /// Reads one into the state. Throws ModelError naming what is missing, damaged or of another shape, and UsageError
  /// when network or flow are others than the state's; options that differ otherwise are named in warnings.
  RunPosition load(std::int64_t step, TrainingState& state) const;
  /// The newest one that is sound; a damaged one is named in a warning. Throws Error when there is none.
  RunPosition load_newest(TrainingState& state) const;

  void mark_best(const BestCheckpoint& best);
  std::optional<BestCheckpoint> best() const;
  /// Drops those after this step, for a run that goes back to it.
  void remove_after(std::int64_t step);
  /// What killed runs left half written or half removed.
  void remove_leftovers() const;

 private:
  void prune() const;

  std::filesystem::path folder_;
  int keep_;
};

/// Writes weights under their published names as a coupling network's file: the network's configuration and the noising
/// step in its metadata, as scripts/convert_cfm_checkpoint.py does, and the largest one where it was drawn.
void write_cfm_weights(const std::filesystem::path& file, const CfmUnetImpl& network, const FlowLossOptions& flow);

}  // namespace fmboost
