#pragma once

#include <functional>
#include <memory>
#include <torch/types.h>

#include "train/distributed/rendezvous.h"

namespace fmboost {

/// Starts sums, maxima and broadcasts over all processes. Calling the results waits. Errors are LibTorch's exceptions.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual std::function<void()> start_sum(const torch::Tensor& tensor) = 0;
  virtual std::function<void()> start_max(const torch::Tensor& tensor) = 0;
  virtual std::function<void()> start_broadcast(const torch::Tensor& tensor) = 0;
};

/// For CPU tensors. Throws UsageError if the build has no Gloo.
std::unique_ptr<Collectives> make_gloo_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options);

/// For tensors of the current CUDA device. Throws UsageError if the build has no NCCL.
std::unique_ptr<Collectives> make_nccl_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options);

}  // namespace fmboost
