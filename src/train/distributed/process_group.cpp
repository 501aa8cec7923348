#include "train/distributed/process_group.h"

#include <utility>

#include "fmboost/core/error.h"

#include "train/distributed/collectives.h"
#include "train/distributed/heartbeat_monitor.h"

namespace fmboost {
namespace {

using Collective = std::function<void()> (Collectives::*)(const torch::Tensor&);

}  // namespace

/// The state of a run of several processes. Members are destroyed in reverse order: the monitor after the collectives,
/// so that it can terminate a process that hangs while they shut down.
class ProcessGroup::Connections {
 public:
  Connections(const ProcessGroupOptions& options, torch::Device device)
      : rendezvous_(join_rendezvous(options)), monitor_(rendezvous_, options, device.is_cuda()) {
    run([&] { host_ = make_gloo_collectives(rendezvous_, options); });
    if (device.is_cuda()) {
      run([&] { device_ = make_nccl_collectives(rendezvous_, options); });
    }
  }

  Collectives& collectives(const torch::Tensor& tensor) const {
    if (!tensor.is_cuda()) {
      return *host_;
    }
    if (!device_) {
      throw Error("a process group on the CPU got a tensor on " + tensor.device().str());
    }
    return *device_;
  }

  // Runs a part of the work in LibTorch. Its errors are caused by another process.
  void run(const std::function<void()>& part) {
    monitor_.check();
    const HeartbeatMonitor::Waiting waiting(monitor_);
    try {
      part();
    } catch (const Error&) {
      throw;
    } catch (const c10::ValueError&) {
      throw;  // a tensor that collectives do not support
    } catch (const std::exception& error) {
      monitor_.throw_failure(short_reason(error));
    }
  }

  // Starts a collective; calling the result waits for it.
  std::function<void()> start(const torch::Tensor& tensor, Collective collective) {
    std::function<void()> wait;
    Collectives& backend = collectives(tensor);
    run([&] { wait = (backend.*collective)(tensor); });
    return [this, wait = std::move(wait)] { run(wait); };
  }

  void check() const { monitor_.check(); }

 private:
  Rendezvous rendezvous_;
  HeartbeatMonitor monitor_;
  std::unique_ptr<Collectives> host_, device_;
};

ProcessGroup::ProcessGroup(const ProcessGroupOptions& options, torch::Device device) : options_(options) {
  options_.check();
  if (options_.size > 1) {
    connections_ = std::make_unique<Connections>(options_, device);
  }
}

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::broadcast(const std::vector<torch::Tensor>& tensors) {
  if (!connections_) {
    return;
  }
  const torch::NoGradGuard no_grad;
  for (const auto& tensor : tensors) {
    // c10d sends memory in its physical order, which differs for a channels-last tensor or a view.
    const torch::Tensor dense = tensor.detach().contiguous();
    connections_->start(dense, &Collectives::start_broadcast)();
    if (!is_first() && dense.data_ptr() != tensor.data_ptr()) {
      tensor.copy_(dense);
    }
  }
}

void ProcessGroup::all_reduce_sum(const torch::Tensor& tensor) {
  if (!connections_) {
    return;
  }
  const torch::NoGradGuard no_grad;
  const torch::Tensor dense = tensor.detach().contiguous();
  start_all_reduce_sum(dense)();
  if (dense.data_ptr() != tensor.data_ptr()) {
    tensor.copy_(dense);
  }
}

std::function<void()> ProcessGroup::start_all_reduce_sum(const torch::Tensor& tensor) {
  if (!connections_) {
    return [] {};
  }
  return connections_->start(tensor, &Collectives::start_sum);
}

bool ProcessGroup::any(bool mine) {
  if (!connections_) {
    return mine;
  }
  const torch::Tensor flag = torch::full({1}, mine ? 1 : 0, torch::kInt64);
  connections_->start(flag, &Collectives::start_max)();
  return flag.item<std::int64_t>() != 0;
}

void ProcessGroup::barrier() {
  any(false);
}

void ProcessGroup::require_same(const std::string& what, std::int64_t value) {
  if (!connections_) {
    return;
  }
  const torch::Tensor bounds = torch::tensor({value, -value}, torch::kInt64);
  connections_->start(bounds, &Collectives::start_max)();
  const auto largest = bounds[0].item<std::int64_t>();
  const auto smallest = -bounds[1].item<std::int64_t>();
  if (largest != smallest) {
    throw UsageError("the processes disagree on " + what + ": " + std::to_string(smallest) + " to " +
                     std::to_string(largest) + ", here " + std::to_string(value) +
                     ". Use the same options and data for all of them");
  }
}

void ProcessGroup::check() const {
  if (connections_) {
    connections_->check();
  }
}

}  // namespace fmboost
