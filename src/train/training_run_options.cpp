#include "fmboost/core/error.h"
#include "fmboost/train/training_run.h"

namespace fmboost {

void TrainingRunOptions::check() const {
  trainer.check();
  if (data.training.empty()) {
    throw UsageError("`data` is required: a folder of shards or of images");
  }
  if (output.empty()) {
    throw UsageError("`output` is required: the folder of the run");
  }
  if (resume && !init.empty()) {
    throw UsageError("`init` cannot be combined with `resume`, which continues with the run's own weights");
  }
  if (factor != 0 && (factor < 2 || factor > 16)) {
    throw UsageError("`factor` must be from 2 to 16, got " + std::to_string(factor));
  }
  if (keep_checkpoints < 1) {
    throw UsageError("`keep_checkpoints` must be at least 1, got " + std::to_string(keep_checkpoints));
  }
  OdeOptions{.method = install.solver, .steps = install.flow_steps}.check();
  if (install.back_projection < 0 || install.back_projection > 16) {
    throw UsageError("`back_project` must be from 0 to 16, got " + std::to_string(install.back_projection));
  }
  if (!data.validation.empty()) {
    validation.check();
  }
}

}  // namespace fmboost
