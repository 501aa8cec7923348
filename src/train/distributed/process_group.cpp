#include "train/distributed/process_group.h"

#include <utility>

#include "fmboost/core/error.h"

#include "train/distributed/collectives.h"
#include "train/distributed/heartbeat_monitor.h"

namespace fmboost {
namespace {

using Collective = std::function<void()> (Collectives::*)(const torch::Tensor&);

}  // namespace

/// What a run of several holds. Members go away in reverse order: the watch last, so that it can end a process that
/// hangs in taking a group down.
class Workers::Group {
 public:
  Group(const ProcessGroupOptions& options, torch::Device device)
      : rendezvous_(meet(options)), watch_(rendezvous_, options, device.is_cuda()) {
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
      throw Error("workers on the CPU were given a tensor on " + tensor.device().str());
    }
    return *device_;
  }

  // Runs LibTorch's part of the work; what goes wrong in it is another worker's doing.
  void run(const std::function<void()>& part) {
    watch_.check();
    const HeartbeatMonitor::Waiting waiting(watch_);
    try {
      part();
    } catch (const Error&) {
      throw;
    } catch (const c10::ValueError&) {
      throw;  // a tensor that no collective takes
    } catch (const std::exception& error) {
      watch_.explain(short_reason(error));
    }
  }

  // Starts a collective and returns what waits for it.
  std::function<void()> start(const torch::Tensor& tensor, Collective collective) {
    std::function<void()> wait;
    Collectives& group = collectives(tensor);
    run([&] { wait = (group.*collective)(tensor); });
    return [this, wait = std::move(wait)] { run(wait); };
  }

  void check() const { watch_.check(); }

 private:
  Rendezvous rendezvous_;
  HeartbeatMonitor watch_;
  std::unique_ptr<Collectives> host_, device_;
};

Workers::Workers(const ProcessGroupOptions& options, torch::Device device) : options_(options) {
  options_.check();
  if (options_.size > 1) {
    group_ = std::make_unique<Group>(options_, device);
  }
}

Workers::~Workers() = default;

void Workers::broadcast(const std::vector<torch::Tensor>& tensors) {
  if (!group_) {
    return;
  }
  const torch::NoGradGuard no_grad;
  for (const auto& tensor : tensors) {
    // c10d takes the memory as it lies, which is in another order where a tensor is channels-last or a view.
    const torch::Tensor dense = tensor.detach().contiguous();
    group_->start(dense, &Collectives::start_broadcast)();
    if (!is_first() && dense.data_ptr() != tensor.data_ptr()) {
      tensor.copy_(dense);
    }
  }
}

void Workers::all_reduce_sum(const torch::Tensor& tensor) {
  if (!group_) {
    return;
  }
  const torch::NoGradGuard no_grad;
  const torch::Tensor dense = tensor.detach().contiguous();
  start_all_reduce_sum(dense)();
  if (dense.data_ptr() != tensor.data_ptr()) {
    tensor.copy_(dense);
  }
}

std::function<void()> Workers::start_all_reduce_sum(const torch::Tensor& tensor) {
  if (!group_) {
    return [] {};
  }
  return group_->start(tensor, &Collectives::start_sum);
}

bool Workers::any(bool mine) {
  if (!group_) {
    return mine;
  }
  const torch::Tensor flag = torch::full({1}, mine ? 1 : 0, torch::kInt64);
  group_->start(flag, &Collectives::start_largest)();
  return flag.item<std::int64_t>() != 0;
}

void Workers::barrier() {
  any(false);
}

void Workers::require_same(const std::string& what, std::int64_t value) {
  if (!group_) {
    return;
  }
  const torch::Tensor bounds = torch::tensor({value, -value}, torch::kInt64);
  group_->start(bounds, &Collectives::start_largest)();
  const auto largest = bounds[0].item<std::int64_t>();
  const auto smallest = -bounds[1].item<std::int64_t>();
  if (largest != smallest) {
    throw UsageError("the workers disagree on " + what + ": " + std::to_string(smallest) + " to " +
                     std::to_string(largest) + ", here " + std::to_string(value) +
                     ". Give all of them the same options and data");
  }
}

void Workers::check() const {
  if (group_) {
    group_->check();
  }
}

}  // namespace fmboost
