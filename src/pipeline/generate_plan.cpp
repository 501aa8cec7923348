#include <tuple>

#include "fmboost/core/error.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/pipeline/generate.h"

#include "pipeline/text_conditioning.h"

namespace fmboost {
namespace {

auto flow_fields(const FlowOptions& flow) {
  return std::tie(flow.steps, flow.solver, flow.diffusion_form, flow.diffusion_norm, flow.noising_step, flow.upsampling, flow.fidelity, flow.back_projection);
}

auto fields(const GenerateRequest& r) {
  return std::tie(r.prompt, r.negative_prompt, r.long_prompt, r.clip_skip, r.seed, r.size, r.base_size, r.steps,
                  r.guidance, r.sampler, r.karras, r.upscale);
}

// Where no size is asked for: kDefaultSide with couplings, the native size without, and either in the shape of a base
// size that was asked for.
Size default_size(const GenerateRequest& request, std::int64_t native, const std::vector<std::int64_t>& factors) {
  if (factors.empty()) {
    return request.base_size.value_or(Size{native, native});
  }
  if (!request.base_size) {
    return {kDefaultSide, kDefaultSide};
  }
  std::int64_t product = 1;
  for (const auto factor : plan_factors(static_cast<double>(kDefaultSide) / static_cast<double>(native), factors)) {
    product *= factor;
  }
  return {request.base_size->width * product, request.base_size->height * product};
}

}  // namespace

bool GenerateRequest::operator==(const GenerateRequest& other) const {
  return fields(*this) == fields(other) && flow_fields(flow) == flow_fields(other.flow);
}

GeneratePlan GeneratePipeline::plan(const GenerateRequest& request) const {
  const DenoiserEntry& denoiser = *components_->manifest().denoiser;
  request.flow.check();
  check_text_options(request, components_->manifest());
  GeneratePlan plan;
  plan.request = request;
  plan.source = is_own_upscaler(components_->bundle(), upscaler_components_->bundle()) ? ImageSource::generated
                                                                                      : ImageSource::external;
  const auto factors =
      request.upscale ? coupling_factors(upscaler_components_->manifest(), plan.source) : std::vector<std::int64_t>();
  plan.size = request.size.value_or(default_size(request, denoiser.native_size, factors));
  check_size(plan.size, "an image");
  if (!request.upscale) {
    if (request.base_size && request.size && *request.base_size != *request.size) {
      throw UsageError("a base size of " + to_string(*request.base_size) + " and a size of " + to_string(plan.size) +
                       " do not go together where nothing is upscaled; give one of them");
    }
    const auto up = [&](std::int64_t value) {
      return (value + denoiser.size_multiple - 1) / denoiser.size_multiple * denoiser.size_multiple;
    };
    plan.chain.low = {up(plan.size.width), up(plan.size.height)};
  } else if (request.base_size) {
    plan.chain = plan_generation_from(*request.base_size, plan.size, denoiser.size_multiple, factors);
  } else {
    plan.chain = plan_generation(plan.size, denoiser.native_size, denoiser.size_multiple, factors);
  }
  for (const auto factor : plan.chain.factors) {
    resolve_coupling(upscaler_components_->manifest(), factor, plan.request.flow, plan.source);
  }
  plan.sampler = request.sampler.value_or(denoiser.default_sampler);
  plan.steps = request.steps.value_or(denoiser.default_steps);
  plan.guidance = request.guidance.value_or(denoiser.default_guidance);
  plan.karras = request.karras.value_or(denoiser.default_karras && plan.sampler == denoiser.default_sampler);
  if (!(plan.guidance >= 0 && plan.guidance <= 1000)) {
    throw UsageError("the guidance must be from 0 to 1000");
  }
  plan.guided = plan.guidance > 1.0 && !denoiser.guidance_embedding;
  make_sampler({.name = plan.sampler, .steps = plan.steps, .karras = plan.karras, .prediction = denoiser.prediction},
               NoiseSchedule(denoiser.schedule));  // throws for what does not go together
  return plan;
}

}  // namespace fmboost
