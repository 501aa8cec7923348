#include "core/finite.h"

#include <ATen/Parallel.h>
#include <atomic>

namespace fmboost {
namespace {

// NaN and infinity are the values with all exponent bits set.
template <typename Bits>
bool none_has_all(Bits exponent, const torch::Tensor& tensor) {
  constexpr std::int64_t kGrain = 1 << 20;
  const auto* bits = static_cast<const Bits*>(tensor.const_data_ptr());
  std::atomic<bool> found = false;
  at::parallel_for(0, tensor.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Bits any = 0;  // no early exit, so that the loop is vectorized
    for (std::int64_t i = begin; i < end; ++i) {
      any |= static_cast<Bits>((bits[i] & exponent) == exponent);
    }
    if (any != 0) {
      found = true;
    }
  });
  return !found;
}

}  // namespace

bool all_finite(const torch::Tensor& tensor) {
  if (tensor.is_contiguous()) {
    switch (tensor.scalar_type()) {
      case torch::kFloat16:
        return none_has_all<std::uint16_t>(0x7c00, tensor);
      case torch::kBFloat16:
        return none_has_all<std::uint16_t>(0x7f80, tensor);
      case torch::kFloat32:
        return none_has_all<std::uint32_t>(0x7f800000, tensor);
      case torch::kFloat64:
        return none_has_all<std::uint64_t>(0x7ff0000000000000, tensor);
      default:
        break;
    }
  }
  return at::isfinite(tensor.to(torch::kFloat32)).all().item<bool>();
}

}  // namespace fmboost
