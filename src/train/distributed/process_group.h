#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <torch/types.h>
#include <vector>

#include "train/distributed/process_group_options.h"

namespace fmboost {

/// The processes of a data-parallel run, and this process's rank among them. CPU tensors travel over Gloo and CUDA
/// tensors over NCCL, if LibTorch has them (c10d). A run of one process needs neither, and all calls below are then
/// free.
///
/// All processes must make the same calls in the same order. If a process is killed or stops with an error, the others
/// end: their current or next call throws an Error that names it, and a process whose call does not return (NCCL's
/// kernels wait forever) is terminated with that message. Heartbeats are sent from a separate thread, so a process that
/// is busy does not count as lost.
class ProcessGroup {
 public:
  /// Waits until all processes have joined. `device` is the device that this process computes on.
  /// Throws Error if the port is taken, rank 0 cannot be reached, or a process does not join; UsageError if two
  /// processes have the same rank, or the build lacks the backend.
  explicit ProcessGroup(const ProcessGroupOptions& options = {}, torch::Device device = torch::kCPU);
  /// Tells the others that this process is done or, while an exception unwinds the stack, that it failed.
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  bool is_first() const { return options_.rank == 0; }

  /// Copies rank 0's values into the tensors of all processes.
  void broadcast(const std::vector<torch::Tensor>& tensors);
  /// Replaces the tensor by its sum over all processes.
  void all_reduce_sum(const torch::Tensor& tensor);
  /// Starts that sum and returns immediately; calling the result waits for it (on CUDA the current stream waits). The
  /// tensor must be contiguous and stay alive until then.
  std::function<void()> start_all_reduce_sum(const torch::Tensor& tensor);
  /// True in all processes if it is true in one of them, for example after a signal. Synchronizes hosts but not GPUs.
  bool any(bool mine);
  void barrier();

  /// Throws UsageError in all processes unless they pass the same value. Different data or options would otherwise lead
  /// to a deadlock. `what` is a noun phrase such as "the number of training pairs".
  void require_same(const std::string& what, std::int64_t value);

  /// Throws Error if a process has been lost. It is cheap; call it during long work between collectives.
  void check() const;

 private:
  class Connections;
  ProcessGroupOptions options_;
  std::unique_ptr<Connections> connections_;  // null in a run of one process
};

}  // namespace fmboost
