#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/train/options.h"

#include "data/pair_loader.h"
#include "train/checkpoint.h"
#include "train/distributed/gradient_reducer.h"
#include "train/distributed/process_group.h"
#include "train/training_state.h"

namespace fmboost {

/// The progress of a run. Averages are taken over the steps since the last report.
struct TrainReport {
  std::int64_t step = 0;         ///< steps done
  std::int64_t steps = 0;        ///< of the whole run
  double loss = 0;               ///< mean over the steps and all processes
  double gradient_norm = 0;      ///< of the last step, before clipping
  double learning_rate = 0;      ///< of the last step
  double images_per_second = 0;  ///< of all processes
  double data_wait = 0;          ///< share of the time that this process waited for data
  std::int64_t memory = 0;       ///< peak bytes so far: of tensors on the GPU, or of the process
  double seconds_left = 0;       ///< until the last step, without validation and checkpoints
};

/// "step 1250/100000, loss 0.1234, gradient 0.56, lr 3e-05, 12.3 images/s, data wait 0.4 %, memory 2.1 GiB, 3:12:05
/// left"
std::string to_text(const TrainReport& report);

/// Callbacks, all optional. All but `validate` are called on rank 0 only.
struct TrainerObserver {
  std::function<void(const TrainReport&)> report;
  /// Called in every process after `validate_every` steps. On rank 0 it returns the score by which the best checkpoint
  /// is chosen, greater is better; none: no best checkpoint is chosen.
  std::function<std::optional<double>(std::int64_t step)> validate;
  std::function<void(std::int64_t step)> saved;
};

/// Trains a state on a loader's batches up to the options' last step.
class Trainer {
 public:
  /// `checkpoints` may be null, which saves nothing. All arguments must outlive the trainer.
  Trainer(TrainingState& state, PairLoader& loader, ProcessGroup& group, CheckpointFolder* checkpoints,
          TrainerOptions options, TrainerObserver observer = {});

  /// Copies the state and position of rank 0 to all processes. On rank 0 `resumed` is the result of
  /// CheckpointFolder::load, none for a fresh run.
  void start(const std::optional<RunPosition>& resumed, std::int64_t dataset_size);

  /// Trains up to the last step. After a signal it finishes its step, saves and throws Interrupted. A loss that is not
  /// finite throws Error with a diagnosis, on the CPU before the weights are changed and on a GPU at the next report;
  /// the last checkpoint remains unchanged. A periodic checkpoint that cannot be written is logged as an error and
  /// training continues; the last checkpoint throws.
  void run();

 private:
  /// One step whose loss has not been read yet.
  struct PendingStep {
    std::int64_t step = 0;
    double learning_rate = 0;
    torch::Tensor loss, gradient_norm;  ///< scalars on the device
    std::vector<std::string> keys;
  };

  void one_step();
  torch::Tensor accumulate_gradients(PendingStep& step);
  void read_losses();
  [[noreturn]] void stop_diverged(const PendingStep& step, double own_loss) const;
  void report();
  void validate();
  void save(bool must_succeed);
  RunPosition position() const;
  bool due(std::int64_t every) const;
  bool is_last() const { return state_.steps_done() >= state_.options().steps; }

  TrainingState& state_;
  PairLoader& loader_;
  ProcessGroup& group_;
  CheckpointFolder* checkpoints_;
  TrainerOptions options_;
  TrainerObserver observer_;
  GradientReducer reducer_;
  std::int64_t dataset_size_ = 0;
  std::int64_t saved_step_ = -1;

  std::vector<PendingStep> pending_;
  // Since the last report:
  std::int64_t steps_ = 0;
  double loss_sum_ = 0;
  double seconds_ = 0;
  double waited_before_ = 0;
  double last_gradient_norm_ = 0;
  double last_learning_rate_ = 0;
};

}  // namespace fmboost
