#pragma once

#include <memory>
#include <set>

#include "fmboost/model/bundle.h"
#include "fmboost/train/training_run.h"

namespace fmboost {

/// Training and validation pairs, opened.
struct TrainingData {
  std::shared_ptr<const PairDataset> training;
  std::shared_ptr<const PairDataset> validation;  ///< null without one
  std::set<std::int64_t> factors;                 ///< by which the coupling learns to upscale; never empty
};

/// Opens shards or images and checks that they fit the bundle, the coupling and the factor asked for.
TrainingData open_training_data(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement);

}  // namespace fmboost
