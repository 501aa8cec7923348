#pragma once

#include <memory>
#include <set>

#include "fmboost/model/bundle.h"
#include "fmboost/train/training_run.h"

#include "data/pair_dataset.h"

namespace fmboost {

/// The opened training and validation data.
struct TrainingData {
  std::shared_ptr<const PairDataset> training;
  std::shared_ptr<const PairDataset> validation;  ///< null without one
  std::set<std::int64_t> factors;                 ///< of upscaling; never empty
};

/// Opens shards or images and checks that they fit the bundle, the upsampling and the requested factor.
TrainingData open_training_data(const TrainingRunOptions& options, const Bundle& bundle, const Placement& placement);

}  // namespace fmboost
