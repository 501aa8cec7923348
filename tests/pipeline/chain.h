#pragma once

#include <vector>

#include "fmboost/pipeline/upscale_chain.h"

namespace fmboost::test {

/// A plan with the bundle's couplings of these factors for an existing image of the given pixels. `size`: of the
/// result; open: the product of the factors. Without a choice in `flow` there is no back-projection.
inline UpscalePlan plan_chain(const ModelComponents& components, const torch::Tensor& pixels,
                              const std::vector<std::int64_t>& factors, FlowOptions flow = {},
                              std::optional<Size> size = {}, SizeFit fit = SizeFit::scale) {
  flow.back_projection = flow.back_projection.value_or(0);
  Size product{pixels.size(3), pixels.size(2)};
  for (const auto factor : factors) {
    product = {product.width * factor, product.height * factor};
  }
  UpscalePlan plan;
  plan.couplings = resolve_couplings(components.manifest(), factors, flow, ImageSource::external);
  plan.size = size.value_or(product);
  plan.fit = fit;
  plan.memory = plan_memory(components, plan.size);
  return plan;
}

}  // namespace fmboost::test
