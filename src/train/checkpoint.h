#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "fmboost/train/training_run.h"

#include "train/training_state.h"

namespace fmboost {

/// The counters of a run. There is no generator state: a sample's noise depends only on the seed and its number, and
/// its place in the data only on its number.
struct RunPosition {
  std::int64_t step = 0;     ///< optimizer steps done
  std::int64_t samples = 0;  ///< taken by all processes together
  std::int64_t ema_updates = 0;
  std::int64_t dataset_size = 0;  ///< pairs; a run that is resumed with other data logs a warning
};

/// The checkpoints of one run: a folder with one folder for each, "step-00001000", which holds model.safetensors and
/// ema.safetensors (published names, the network's configuration in the metadata; `init` accepts them),
/// exp_avg.safetensors and exp_avg_sq.safetensors (Adam's moments) and checkpoint.json.
///
/// A checkpoint is written under a temporary name, synced and renamed, and its checkpoint.json is deleted first when it
/// is removed: a folder with such a name and a checkpoint.json is complete, even if the process was killed. Only one
/// process may write.
class CheckpointFolder {
 public:
  /// Creates the folder if it is missing. Keeps the `keep` newest checkpoints and the best one.
  CheckpointFolder(std::filesystem::path folder, int keep);

  std::filesystem::path path_of(std::int64_t step) const;
  /// The steps of the complete checkpoints, ascending.
  std::vector<std::int64_t> steps() const;

  /// Writes a checkpoint and removes those that need not be kept. Throws Error naming the file and the reason; the
  /// older checkpoints then remain unchanged.
  void save(const TrainingState& state, const RunPosition& position);

  /// Reads a checkpoint into the state. Throws ModelError naming what is missing, damaged or of another shape, and
  /// UsageError if network or flow differ from the state's; warnings name the other options that differ.
  RunPosition load(std::int64_t step, TrainingState& state) const;
  /// Reads the newest intact checkpoint; damaged ones are skipped with a warning. Throws Error if there is none.
  RunPosition load_newest(TrainingState& state) const;

  void mark_best(const BestCheckpoint& best);
  std::optional<BestCheckpoint> best() const;
  /// Removes the checkpoints after this step, for a run that is resumed from it.
  void remove_after(std::int64_t step);
  /// Removes incomplete checkpoints that killed runs have left.
  void remove_leftovers() const;

 private:
  void prune() const;

  std::filesystem::path folder_;
  int keep_;
};

/// Writes weights under their published names as a coupling network's file. Its metadata holds the network's
/// configuration and the noising step, like scripts/convert_cfm_checkpoint.py, and the largest noising step if steps
/// are drawn.
void write_cfm_weights(const std::filesystem::path& file, const CfmUnetImpl& network, const FlowLossOptions& flow);

}  // namespace fmboost
