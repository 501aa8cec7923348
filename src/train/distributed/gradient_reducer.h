#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <torch/types.h>
#include <vector>

#include "train/distributed/process_group.h"

namespace fmboost {

struct GradientReducerOptions {
  std::int64_t bucket_bytes = std::int64_t{25} << 20;       ///< gradients that are sent together
  std::int64_t first_bucket_bytes = std::int64_t{1} << 20;  ///< small, so that it can be sent early

  /// Throws UsageError for sizes below one byte.
  void check() const;
};

/// Averages gradients over all processes during the backward pass, like PyTorch's DistributedDataParallel (arXiv
/// 2006.15704): gradients are copied into flat buckets, last layers first, and a bucket is sent once all of its
/// gradients are complete and all earlier buckets have been sent. Afterwards the gradients are views of the buckets.
/// With one process it does nothing and allocates nothing.
///
///     reducer.expect_backward(last_of_the_accumulated_batches);
///     loss.backward();
///     reducer.finish();
class GradientReducer {
 public:
  /// `parameters`: leaf tensors that require gradients, on one device, in the order of the forward pass. They must
  /// outlive the reducer. Throws UsageError if the processes have different parameters.
  GradientReducer(std::vector<torch::Tensor> parameters, ProcessGroup& group,
                  const GradientReducerOptions& options = {});
  /// Removes its hooks from the parameters.
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// To be called before every backward pass. With `synchronize` false gradients only accumulate in this process.
  void expect_backward(bool synchronize);

  /// Waits for the pending sums (on CUDA the stream waits, not the host). Then all gradients are averages; a parameter
  /// that the loss does not depend on has a gradient of zeros. Does nothing unless the last expect_backward() requested
  /// synchronization. Throws Error if a process is lost.
  void finish();

  std::size_t bucket_count() const;
  /// The number of buckets that had been sent when the last finish() was called.
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
  std::vector<Bucket> buckets_;  ///< in the order in which they are sent
  std::vector<Slot> slots_;      ///< by parameter
  bool synchronize_ = false;
  std::size_t started_ = 0;  ///< buckets that have been sent
  std::size_t overlapped_ = 0;
};

}  // namespace fmboost
