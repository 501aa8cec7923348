#include "train/distributed/gradient_reducer.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <utility>

#include "fmboost/core/error.h"

namespace fmboost {

struct GradientReducer::Bucket {
  std::vector<std::size_t> parameters;
  std::int64_t elements = 0;
  torch::Tensor flat;
  std::size_t ready = 0;
  std::function<void()> wait;
};

struct GradientReducer::Slot {
  std::size_t bucket = 0;
  torch::Tensor view;  ///< the parameter's part of its bucket, with the parameter's strides
  bool ready = false;
};

/// Called by autograd when a parameter's gradient is complete.
class GradientReducer::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientReducer& reducer, std::size_t parameter) : reducer_(reducer), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable&) override { reducer_.on_gradient(parameter_); }

 private:
  GradientReducer& reducer_;
  std::size_t parameter_;
};

namespace {

void check_parameter(const torch::Tensor& parameter, const torch::Tensor& first) {
  if (!parameter.is_leaf() || !parameter.requires_grad()) {
    throw Error("the gradient reducer got a tensor that does not require gradients");
  }
  if (parameter.device() != first.device() || parameter.scalar_type() != first.scalar_type()) {
    throw Error("all parameters must have the same device and data type, so that their gradients can share buckets");
  }
}

// A view of the flat bucket with the parameter's own strides, so that kernels can process both in the same order.
torch::Tensor view_like(const torch::Tensor& flat, const torch::Tensor& parameter, std::int64_t offset) {
  if (parameter.is_non_overlapping_and_dense()) {
    return flat.as_strided(parameter.sizes(), parameter.strides(), offset);
  }
  return flat.narrow(0, offset, parameter.numel()).view(parameter.sizes());
}

}  // namespace

void GradientReducerOptions::check() const {
  if (bucket_bytes < 1 || first_bucket_bytes < 1) {
    throw UsageError("buckets must have at least one byte");
  }
}

GradientReducer::GradientReducer(std::vector<torch::Tensor> parameters, ProcessGroup& group,
                                 const GradientReducerOptions& options)
    : parameters_(std::move(parameters)), group_(group) {
  options.check();
  for (const auto& parameter : parameters_) {
    check_parameter(parameter, parameters_.front());
  }
  if (group_.size() == 1 || parameters_.empty()) {
    return;
  }
  make_buckets(options);
  group_.require_same("the number of tensors to train", static_cast<std::int64_t>(parameters_.size()));
  std::int64_t elements = 0;
  for (const auto& bucket : buckets_) {
    elements += bucket.elements;
  }
  group_.require_same("the number of weights to train", elements);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameters_[i], std::make_unique<Hook>(*this, i));
  }
}

GradientReducer::~GradientReducer() {
  if (buckets_.empty()) {
    return;
  }
  for (const auto& parameter : parameters_) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

std::size_t GradientReducer::bucket_count() const {
  return buckets_.size();
}

void GradientReducer::make_buckets(const GradientReducerOptions& options) {
  slots_.resize(parameters_.size());
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    add_to_bucket(i, buckets_.size() <= 1 ? options.first_bucket_bytes : options.bucket_bytes);
  }
  for (auto& bucket : buckets_) {
    bucket.flat = torch::zeros({bucket.elements}, parameters_.front().options().requires_grad(false));
    std::int64_t offset = 0;
    for (const auto i : bucket.parameters) {
      slots_[i].view = view_like(bucket.flat, parameters_[i], offset);
      offset += parameters_[i].numel();
    }
  }
}

void GradientReducer::add_to_bucket(std::size_t parameter, std::int64_t limit) {
  const torch::Tensor& tensor = parameters_[parameter];
  if (buckets_.empty() || buckets_.back().elements * tensor.element_size() >= limit) {
    buckets_.emplace_back();
  }
  slots_[parameter].bucket = buckets_.size() - 1;
  buckets_.back().parameters.push_back(parameter);
  buckets_.back().elements += tensor.numel();
}

void GradientReducer::expect_backward(bool synchronize) {
  synchronize_ = synchronize && !buckets_.empty();
  started_ = 0;
  for (auto& bucket : buckets_) {
    bucket.ready = 0;
    bucket.wait = nullptr;
  }
  for (auto& slot : slots_) {
    slot.ready = false;
  }
}

void GradientReducer::on_gradient(std::size_t parameter) {
  Slot& slot = slots_[parameter];
  if (!synchronize_ || slot.ready) {
    return;
  }
  const torch::NoGradGuard no_grad;
  torch::Tensor& gradient = parameters_[parameter].mutable_grad();
  if (gradient.data_ptr() != slot.view.data_ptr()) {
    slot.view.copy_(gradient);
    gradient = slot.view;
  }
  slot.ready = true;
  ++buckets_[slot.bucket].ready;
  start_complete_buckets();
}

// All processes send in the same order, whatever the order in which gradients become ready.
void GradientReducer::start_complete_buckets() {
  while (started_ < buckets_.size() && buckets_[started_].ready == buckets_[started_].parameters.size()) {
    start(buckets_[started_++]);
  }
}

void GradientReducer::start(Bucket& bucket) {
  bucket.flat.div_(group_.size());
  bucket.wait = group_.start_all_reduce_sum(bucket.flat);
}

void GradientReducer::finish() {
  if (!synchronize_) {
    return;
  }
  overlapped_ = started_;
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].ready) {
      if (!parameters_[i].grad().defined()) {
        parameters_[i].mutable_grad() = slots_[i].view.zero_();
      }
      on_gradient(i);
    }
  }
  for (const auto& bucket : buckets_) {
    bucket.wait();
  }
  synchronize_ = false;
}

}  // namespace fmboost
