#pragma once

#include <functional>
#include <memory>
#include <torch/types.h>

#include "train/distributed/rendezvous.h"

namespace fmboost {

/// Starts sums and broadcasts over all workers. Calling what they return waits. On errors LibTorch's exceptions come
/// out.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual std::function<void()> start_sum(const torch::Tensor& tensor) = 0;
  virtual std::function<void()> start_largest(const torch::Tensor& tensor) = 0;
  virtual std::function<void()> start_broadcast(const torch::Tensor& tensor) = 0;
};

/// Over CPU tensors. Throws UsageError where the build has no Gloo.
std::unique_ptr<Collectives> make_gloo_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options);

/// Over tensors of the present CUDA device. Throws UsageError where the build has no NCCL.
std::unique_ptr<Collectives> make_nccl_collectives(const Rendezvous& rendezvous, const ProcessGroupOptions& options);

}  // namespace fmboost
