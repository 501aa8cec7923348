#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "data/pair_loader.h"
#include "train/checkpoint.h"
#include "train/distributed/gradient_reducer.h"
#include "train/distributed/process_group.h"
#include "train/training_state.h"

namespace fmboost {

/// How often a run says, checks and keeps something; the published training validates every 5000 steps.
struct TrainerOptions {
  std::int64_t log_every = 50;           ///< steps
  std::int64_t validate_every = 5000;    ///< steps; 0: never
  std::int64_t checkpoint_every = 1000;  ///< steps; 0: only where the run ends and where validation was best

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// How the run is going, over the steps since the last report.
struct TrainReport {
  std::int64_t step = 0;         ///< done
  std::int64_t steps = 0;        ///< of the whole run
  double loss = 0;               ///< mean over the steps and all processes
  double gradient_norm = 0;      ///< of the last step, before clipping
  double learning_rate = 0;      ///< of the last step
  double images_per_second = 0;  ///< of all processes
  double data_wait = 0;          ///< share of the time in which this process waited for data
  std::int64_t memory = 0;       ///< most bytes held so far: of the GPU's by tensors, else of the process
  double seconds_left = 0;       ///< until the last step, validation and checkpoints left out
};

/// "step 1250/100000, loss 0.1234, gradient 0.56, lr 3e-05, 12.3 images/s, data wait 0.4 %, memory 2.1 GiB, 3:12:05
/// left"
std::string to_text(const TrainReport& report);

/// Who is told. All may be empty; they are called in the first process only, except `validate`.
struct TrainerObserver {
  std::function<void(const TrainReport&)> report;
  /// Called in every process after `validate_every` steps; in the first it returns the score that the best checkpoint
  /// is chosen by, greater is better. None: nothing to choose by.
  std::function<std::optional<double>(std::int64_t step)> validate;
  std::function<void(std::int64_t step)> saved;
};

/// Runs a state over a loader's batches until the options' last step.
class Trainer {
 public:
  /// `checkpoints` may be null: nothing is kept then. All must outlive the trainer.
  Trainer(TrainingState& state, PairLoader& loader, ProcessGroup& group, CheckpointFolder* checkpoints, TrainerOptions options,
          TrainerObserver observer = {});

  /// Makes all processes start from the first one's state, and goes on from there. In the first process `resumed` is
  /// what CheckpointFolder::load returned, none for a fresh run.
  void start(const std::optional<RunPosition>& resumed, std::int64_t dataset_size);

  /// To the last step. A signal lets it finish its step, save and throw Interrupted. A loss that is not finite throws
  /// Error with a diagnosis, before the weights are changed on the CPU and at the next report on a GPU; the last
  /// checkpoint stays as it was. A periodic checkpoint that cannot be written is reported and tried again later, the
  /// last one throws.
  void run();

 private:
  /// One step whose loss has not been looked at.
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
  void save(bool must);
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
