#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

#include "train/distributed/process_group_options.h"

namespace fmboost {

/// The processes of a data-parallel run, as one of them sees the others. Gloo carries CPU tensors, NCCL CUDA ones,
/// where LibTorch has them (c10d). A run of one process needs neither, and every call below is then free.
///
/// All workers make the same calls in the same order. A worker that is killed, or stops with an error, ends the others:
/// their next or present call throws an Error that names it, and a process that does not come back from its call
/// (NCCL's kernels wait forever) is ended with that message. Signs of life travel on a thread of their own, so a worker
/// that is merely busy is not taken for dead.
class Workers {
 public:
  /// Waits until all workers have joined. `device` is where this worker computes.
  /// Throws Error when the port is taken, the first worker cannot be reached, or some do not appear; UsageError when
  /// two claim one rank, or the build cannot do what is asked.
  explicit Workers(const ProcessGroupOptions& options = {}, torch::Device device = torch::kCPU);
  /// Tells the others that this worker is done; while an exception unwinds, that it failed.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  int local_rank() const { return options_.local_rank; }
  bool is_first() const { return options_.rank == 0; }

  /// Rank 0's values into everybody's tensors, in place.
  void broadcast(const std::vector<torch::Tensor>& tensors);
  /// The sum over all workers, in place.
  void all_reduce_sum(const torch::Tensor& tensor);
  /// Starts that sum and returns at once; calling the result waits for it (on CUDA: makes the current stream wait).
  /// The tensor must be contiguous and stay alive until then.
  std::function<void()> start_all_reduce_sum(const torch::Tensor& tensor);
  /// True on all workers when it is on one: a signal, for example. Waits for the slowest host, not for GPUs.
  bool any(bool mine);
  void barrier();

  /// Throws UsageError on all workers unless they give the same value: different data or options would otherwise end in
  /// a hang. `what` is a noun, "the number of training pairs".
  void require_same(const std::string& what, std::int64_t value);

  /// Throws Error when a worker has been lost. Costs nothing; for long work between collectives.
  void check() const;

 private:
  class Group;
  ProcessGroupOptions options_;
  std::unique_ptr<Group> group_;  // null in a run of one
};

}  // namespace fmboost
