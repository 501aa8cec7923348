#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/pair_dataset.h"

namespace fmboost {

struct PairLoaderOptions {
  std::int64_t batch_size = 8;           ///< samples of this process' batches
  std::uint64_t seed = 42;               ///< of the order, the crops and what the dataset draws
  std::vector<std::int64_t> crop_sizes;  ///< in latent pixels; none: whole samples; several: one drawn for each batch
  int workers = 2;                       ///< threads that load; 0: in next() itself
  int prefetch = 4;                      ///< batches that are held ready or being made
  int rank = 0;                          ///< this process among `world_size`
  int world_size = 1;
  bool shuffle = true;      ///< a new order every epoch; otherwise the dataset's own, again and again
  bool pin_memory = false;  ///< so that copies to a GPU need not wait

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

/// Endless batches of a dataset. The samples of a run stand in one order: epoch after epoch, each shuffled by the seed
/// and its number. Step after step takes the next batch_size * world_size of them, and process r every world_size-th
/// of those from the r-th. So the batches depend on the options alone, never on the number of workers, and processes
/// together see what one with their batch sizes' sum would see.
class PairLoader {
 public:
  /// Throws UsageError for an empty dataset.
  PairLoader(std::shared_ptr<const PairDataset> dataset, PairLoaderOptions options);
  ~PairLoader();
  PairLoader(const PairLoader&) = delete;
  PairLoader& operator=(const PairLoader&) = delete;

  /// The next batch. Throws Error naming the sample: what the dataset throws, a sample smaller than the crop, or, where
  /// there is no crop, samples of several sizes.
  LatentBatch next();

  /// Samples that all processes have taken so far: what a checkpoint stores.
  std::int64_t samples_drawn() const { return drawn_; }
  /// Goes on as a loader does that has taken this many, whatever its batch and world size were.
  void seek(std::int64_t samples_drawn);

  /// Time that next() has been waiting for data since the loader was made, in seconds.
  double seconds_waited() const { return seconds_waited_; }
  const PairLoaderOptions& options() const { return options_; }

 private:
  class Impl;
  PairLoaderOptions options_;
  std::int64_t drawn_ = 0;
  double seconds_waited_ = 0;
  std::unique_ptr<Impl> impl_;
};

/// The order of the samples of one epoch: a permutation of 0 .. count - 1 that depends on seed and epoch alone.
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);

}  // namespace fmboost
