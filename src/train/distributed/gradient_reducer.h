#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <torch/types.h>
#include <vector>

#include "train/distributed/process_group.h"

namespace fmboost {

struct GradientReducerOptions {
  std::int64_t bucket_bytes = std::int64_t{25} << 20;       ///< gradients that travel together
  std::int64_t first_bucket_bytes = std::int64_t{1} << 20;  ///< small, so that the first leaves early

  /// Throws UsageError for sizes below one byte.
  void check() const;
};

/// Averages gradients over all workers while the backward pass still runs, as PyTorch's DistributedDataParallel does
/// (arXiv 2006.15704): gradients are laid into flat buckets, last layers first, and a bucket starts to travel once all
/// of its gradients and all buckets before it are complete. Afterwards the gradients are views of the buckets. In a run
/// of one worker nothing is done and nothing allocated.
///
///     reducer.expect_backward(last_of_the_accumulated_batches);
///     loss.backward();
///     reducer.finish();
class GradientReducer {
 public:
  /// Leaf tensors that take gradients, on one device, in the order of the forward pass. They must outlive the reducer.
  /// Throws UsageError where the workers' parameters differ.
  GradientReducer(std::vector<torch::Tensor> parameters, ProcessGroup& group, const GradientReducerOptions& options = {});
  /// Takes its hooks off the parameters.
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// To be called before every backward pass. With `synchronize` false gradients only accumulate on this worker.
  void expect_backward(bool synchronize);

  /// Waits for what is under way (on CUDA the stream waits, not the host). All gradients are then the averages. A
  /// parameter that the loss did not reach has a gradient of zeros. Does nothing unless the last expect_backward()
  /// asked for synchronization. Throws Error when a worker is lost.
  void finish();

  std::size_t bucket_count() const;
  /// How many buckets were under way before the last finish() was called.
  std::size_t buckets_overlapped() const { return overlapped_; }

 private:
  struct Bucket;
  struct Slot;
  class Hook;

  void make_buckets(const GradientReducerOptions& options);
  void add_to_bucket(std::size_t parameter, std::int64_t limit);
  void on_gradient(std::size_t parameter);
  void start_complete_buckets();
  void start(Bucket& bucket);

  std::vector<torch::Tensor> parameters_;
  ProcessGroup& group_;
  std::vector<Bucket> buckets_;  ///< in the order in which they travel
  std::vector<Slot> slots_;      ///< by parameter
  bool synchronize_ = false;
  std::size_t started_ = 0;  ///< buckets under way
  std::size_t overlapped_ = 0;
};

}  // namespace fmboost
