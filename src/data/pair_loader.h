#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/pair_dataset.h"

namespace fmboost {

struct PairLoaderOptions {
  std::int64_t batch_size = 8;           ///< samples per batch of this process
  std::uint64_t seed = 42;               ///< of the order, the crops and the dataset's random choices
  std::vector<std::int64_t> crop_sizes;  ///< latent pixels; empty: whole samples; several: one is drawn for each batch
  int num_workers = 2;                   ///< loader threads; 0: batches are made in next()
  int prefetch = 4;                      ///< maximum number of batches that are ready or being made
  int rank = 0;                          ///< of this process, less than `world_size`
  int world_size = 1;
  bool pin_memory = false;  ///< lets copies to a GPU run asynchronously

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// Endless batches of a dataset. The samples of a run have one order: epoch after epoch, each shuffled by the seed and
/// the epoch's number. Each step takes the next batch_size * world_size samples, of which process r gets every
/// world_size-th, starting with the r-th. The batches therefore depend on the options only, not on the number of loader
/// threads, and several processes together see the samples that one process with the sum of their batch sizes sees.
class PairLoader {
 public:
  /// Throws UsageError for an empty dataset.
  PairLoader(std::shared_ptr<const PairDataset> dataset, PairLoaderOptions options);
  ~PairLoader();
  PairLoader(const PairLoader&) = delete;
  PairLoader& operator=(const PairLoader&) = delete;

  /// The next batch. Throws the dataset's errors, and Error naming the sample if it is smaller than the crop or,
  /// without a crop, if the samples differ in size.
  LatentBatch next();

  /// The number of samples that all processes have taken so far. Checkpoints store it.
  std::int64_t samples_drawn() const { return drawn_; }
  /// Continues after this many samples, whatever the batch and world size were that took them.
  void seek(std::int64_t samples_drawn);

  /// Seconds that next() has waited for data since the loader was created.
  double seconds_waited() const { return seconds_waited_; }
  const PairLoaderOptions& options() const { return options_; }

 private:
  class Impl;
  PairLoaderOptions options_;
  std::int64_t drawn_ = 0;
  double seconds_waited_ = 0;
  std::unique_ptr<Impl> impl_;
};

/// The order of the samples in one epoch: a permutation of 0 .. count - 1 that depends only on seed and epoch.
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);

}  // namespace fmboost
