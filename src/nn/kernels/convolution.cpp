#include "nn/kernels/convolution.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "nn/kernels/winograd.h"

namespace fmboost {
namespace {

using StorageReference = c10::weak_intrusive_ptr<c10::StorageImpl>;

// Transformed weights of the process. A weak reference to the storage keeps its address from being used again, so that
// a key stands for one weight as long as the reference is not expired.
class TransformedWeights {
 public:
  torch::Tensor get(const torch::Tensor& weight, const winograd::Kernels& kernels) {
    const Key key{weight.const_data_ptr(), &kernels};
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.is_of(weight)) {
      return found->second.transformed;
    }
    std::erase_if(entries_, [](const auto& item) { return item.second.storage.expired(); });
    const c10::InferenceMode no_gradients;
    Entry entry{weight.storage().getWeakStorageImpl(), version_of(weight), weight.sizes().vec(),
                winograd_weights(weight.detach(), kernels)};
    return entries_.insert_or_assign(key, std::move(entry)).first->second.transformed;
  }

 private:
  using Key = std::pair<const void*, const winograd::Kernels*>;

  static std::uint32_t version_of(const torch::Tensor& weight) {
    return weight.is_inference() ? 0 : static_cast<std::uint32_t>(weight._version());
  }

  struct Entry {
    StorageReference storage;
    std::uint32_t version;
    std::vector<std::int64_t> sizes;
    torch::Tensor transformed;

    bool is_of(const torch::Tensor& weight) const {
      return !storage.expired() && storage._unsafe_get_target() == weight.storage().unsafeGetStorageImpl() &&
             version == version_of(weight) && weight.sizes() == sizes;
    }
  };

  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

bool has_gradients(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  return at::GradMode::is_enabled() &&
         (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
}

bool is_winograd_shape(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride, std::int64_t padding) {
  return stride == 1 && padding == 1 && x.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
         weight.size(1) == x.size(1) &&
         winograd_is_faster({x.size(0), x.size(1), weight.size(0), x.size(2), x.size(3)});
}

}  // namespace

torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                       std::int64_t stride, std::int64_t padding) {
  const bool plain_tensors = x.device().is_cpu() && weight.device().is_cpu() && x.scalar_type() == torch::kFloat32 &&
                             (!bias.defined() || (bias.scalar_type() == torch::kFloat32 && bias.is_contiguous()));
  if (plain_tensors && is_winograd_shape(x, weight, stride, padding) && !has_gradients(x, weight, bias)) {
    if (const auto* kernels = winograd_kernels(kernel_options().winograd); kernels != nullptr) {
      static TransformedWeights transformed;
      return winograd_conv2d(x, transformed.get(weight, *kernels), bias, weight.size(0), *kernels);
    }
  }
  return torch::conv2d(x, weight.to(x.scalar_type()), bias, stride, padding);
}

}  // namespace fmboost
