#include "fmboost/pipeline/sizes.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::int64_t divide_up(std::int64_t value, std::int64_t divisor) {
  return (value + divisor - 1) / divisor;
}

std::int64_t product_of(const std::vector<std::int64_t>& factors) {
  std::int64_t product = 1;
  for (const auto factor : factors) {
    product *= factor;
  }
  return product;
}

std::int64_t parse_side(std::string_view text, const std::string& whole) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMaxSide) {
    throw UsageError("'" + whole + "' is not a size: use N or WxH in pixels, each from 1 to " +
                     std::to_string(kMaxSide));
  }
  return value;
}

}  // namespace

std::string to_string(const Size& size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

Size parse_size(const std::string& text) {
  const auto cross = text.find_first_of("xX");
  if (cross == std::string::npos) {
    const std::int64_t side = parse_side(text, text);
    return {side, side};
  }
  return {parse_side(std::string_view(text).substr(0, cross), text),
          parse_side(std::string_view(text).substr(cross + 1), text)};
}

void check_size(const Size& size, const std::string& what) {
  if (size.width < 1 || size.height < 1 || size.width > kMaxSide || size.height > kMaxSide) {
    throw UsageError(what + " of " + to_string(size) + " is out of range: each side must be from 1 to " +
                     std::to_string(kMaxSide));
  }
}

std::vector<std::int64_t> plan_factors(double ratio, const std::vector<std::int64_t>& available) {
  constexpr double kRounding = 1e-9;
  if (ratio <= 1.0 + kRounding) {
    return {};
  }
  if (available.empty()) {
    throw UsageError(
        "this bundle has no coupling, so it cannot upscale; use `upscale` false, or an `upscaler` that has one");
  }
  std::vector<std::int64_t> factors = available;
  std::sort(factors.begin(), factors.end(), std::greater<>());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  std::vector<std::int64_t> best;
  std::int64_t best_product = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> chain;
  // Tries non-increasing sequences only: larger factors first. Every factor is at least 2, which bounds the depth.
  const std::function<void(std::size_t, std::int64_t)> extend = [&](std::size_t first, std::int64_t product) {
    if (static_cast<double>(product) >= ratio - kRounding) {
      if (product < best_product || (product == best_product && chain.size() < best.size())) {
        best = chain;
        best_product = product;
      }
      return;
    }
    for (std::size_t i = first; i < factors.size(); ++i) {
      chain.push_back(factors[i]);
      extend(i, product * factors[i]);
      chain.pop_back();
    }
  };
  extend(0, 1);
  return best;
}

ChainPlan plan_generation(const Size& final_size, std::int64_t native, std::int64_t multiple,
                          const std::vector<std::int64_t>& available) {
  const auto shorter = static_cast<double>(std::min(final_size.width, final_size.height));
  ChainPlan plan;
  plan.factors = plan_factors(shorter / static_cast<double>(native), available);
  const std::int64_t product = product_of(plan.factors);
  plan.low = {round_up(divide_up(final_size.width, product), multiple),
              round_up(divide_up(final_size.height, product), multiple)};
  return plan;
}

ChainPlan plan_generation_from(const Size& low, const Size& final_size, std::int64_t multiple,
                               const std::vector<std::int64_t>& available) {
  check_size(low, "`base_size`");
  if (low.width % multiple != 0 || low.height % multiple != 0) {
    throw UsageError("`base_size` " + to_string(low) + " does not fit this model: its sides must be multiples of " +
                     std::to_string(multiple) + "; the next larger size is " +
                     to_string({round_up(low.width, multiple), round_up(low.height, multiple)}));
  }
  if (low.width > round_up(final_size.width, multiple) || low.height > round_up(final_size.height, multiple)) {
    throw UsageError("`base_size` " + to_string(low) + " is larger than the final size " + to_string(final_size));
  }
  const double ratio = std::max(static_cast<double>(final_size.width) / static_cast<double>(low.width),
                                static_cast<double>(final_size.height) / static_cast<double>(low.height));
  return {low, plan_factors(ratio, available)};
}

}  // namespace fmboost
