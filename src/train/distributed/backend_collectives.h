#pragma once

#include <exception>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>

#include "fmboost/core/log.h"

#include "train/distributed/collectives.h"

namespace fmboost {

/// Collectives of one c10d process group.
class BackendCollectives final : public Collectives {
 public:
  explicit BackendCollectives(c10::intrusive_ptr<c10d::Backend> backend) : backend_(std::move(backend)) {}
  // shutdown() of NCCL waits for pending work, which never ends once a process is lost.
  ~BackendCollectives() override {
    try {
      std::uncaught_exceptions() > 0 ? backend_->abort() : backend_->shutdown();
    } catch (const std::exception& error) {
      log_debug("while a process group shuts down: " + short_reason(error));
    }
  }
  BackendCollectives(const BackendCollectives&) = delete;
  BackendCollectives& operator=(const BackendCollectives&) = delete;

  std::function<void()> start_sum(const torch::Tensor& tensor) override {
    return start_reduce(tensor, c10d::ReduceOp::SUM);
  }
  std::function<void()> start_max(const torch::Tensor& tensor) override {
    return start_reduce(tensor, c10d::ReduceOp::MAX);
  }
  std::function<void()> start_broadcast(const torch::Tensor& tensor) override {
    std::vector<torch::Tensor> tensors{tensor};
    return waiter(backend_->broadcast(tensors));
  }

 private:
  static std::function<void()> waiter(c10::intrusive_ptr<c10d::Work> work) {
    return [work = std::move(work)] { work->wait(); };
  }
  std::function<void()> start_reduce(const torch::Tensor& tensor, c10d::ReduceOp::RedOpType op) {
    std::vector<torch::Tensor> tensors{tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = op;
    return waiter(backend_->allreduce(tensors, options));
  }

  c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace fmboost
