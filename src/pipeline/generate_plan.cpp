#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/pipeline/generate.h"

#include "pipeline/denoising.h"
#include "pipeline/text_conditioning.h"

namespace fmboost {
namespace {

// The final size if the request leaves it open: kDefaultSide with couplings, the native size without; in either case
// with the shape of the base size if there is one.
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

bool has_pixel_upscaler(const Manifest& manifest, ImageSource source) {
  return manifest.pixel_upscaler && manifest.pixel_upscaler->upscales(source);
}

// A pixel upscaler of factor 1 is followed by a resize, as one of factor 2.
std::vector<std::int64_t> upscaling_factors(const Manifest& manifest, ImageSource source) {
  return has_pixel_upscaler(manifest, source)
             ? std::vector<std::int64_t>{std::max<std::int64_t>(manifest.pixel_upscaler->factor(), 2)}
             : coupling_factors(manifest, source);
}

// The result is resized, so the denoiser draws at its native size even if the factor of the network is larger than what
// is needed.
void plan_pixels(GeneratePlan& plan, const Manifest& upscaler, const DenoiserEntry& denoiser) {
  const auto native = static_cast<double>(denoiser.native_size);
  const double ratio = static_cast<double>(std::min(plan.size.width, plan.size.height)) / native;
  if (!plan.request.base_size) {
    const auto side = [&](std::int64_t length) {
      const auto low = static_cast<std::int64_t>(std::ceil(static_cast<double>(length) / std::max(ratio, 1.0) - 1e-9));
      return (low + denoiser.size_multiple - 1) / denoiser.size_multiple * denoiser.size_multiple;
    };
    plan.chain.low = {side(plan.size.width), side(plan.size.height)};
  }
  const Size& low = plan.chain.low;
  const double needed = std::max(static_cast<double>(plan.size.width) / static_cast<double>(low.width),
                                 static_cast<double>(plan.size.height) / static_cast<double>(low.height));
  if (needed <= 1) {
    plan.chain.factors = {};
    return;
  }
  plan.pixel_upscaling = plan_pixel_upscaling(upscaler, low, needed, plan.request.flow, plan.source);
  plan.chain.factors.assign(static_cast<std::size_t>(plan.pixel_upscaling->passes),
                            plan.pixel_upscaling->entry.factor());
}

void tokenize(GeneratePlan& plan, const Tokenizer& tokenizer) {
  const GenerateRequest& request = plan.request;
  plan.prompt_tokens = tokenizer.encode(request.prompt, request.long_prompt);
  if (plan.guided) {
    plan.negative_tokens = tokenizer.encode(request.negative_prompt, request.long_prompt);
  }
  const std::size_t longest = std::max(plan.prompt_tokens.ids.size(), plan.negative_tokens.ids.size());
  plan.text_chunks = static_cast<std::int64_t>(longest / tokenizer.max_length());
}

void choose_sampler(GeneratePlan& plan, const DenoiserEntry& denoiser) {
  const GenerateRequest& request = plan.request;
  plan.sampler = request.sampler.value_or(denoiser.default_sampler);
  plan.steps = request.steps.value_or(denoiser.default_steps);
  plan.guidance = request.guidance.value_or(denoiser.default_guidance);
  plan.karras = request.karras.value_or(denoiser.default_karras && plan.sampler == denoiser.default_sampler);
  if (!(plan.guidance >= 0 && plan.guidance <= 1000)) {
    throw UsageError(c10::str("`guidance` must be from 0 to 1000, got ", plan.guidance));
  }
  plan.guided = plan.guidance > 1.0 && !denoiser.guidance_embedding;
  if (request.eta && plan.sampler != "tcd") {
    throw UsageError("`eta` applies to the sampler tcd only, not to " + plan.sampler);
  }
  plan.eta = plan.sampler == "tcd" ? request.eta.value_or(SamplerOptions{}.eta) : 0.0;
  plan.schedule = denoiser.schedule;
  if (request.timestep_spacing) {
    plan.schedule.timestep_spacing = request.timestep_spacing;
  }
  // Throws for settings that do not fit together.
  make_sampler(sampler_options(plan, denoiser), NoiseSchedule(plan.schedule));
}

}  // namespace

ChainPlan GeneratePipeline::plan_sizes(const GenerateRequest& request, const std::vector<std::int64_t>& factors,
                                       const Size& size) const {
  const DenoiserEntry& denoiser = *components_->manifest().denoiser;
  if (!request.upscale) {
    if (request.base_size && request.size && *request.base_size != *request.size) {
      throw UsageError("`base_size` " + to_string(*request.base_size) + " and `size` " + to_string(size) +
                       " must be equal without upscaling; give one of them");
    }
    const auto round_up = [&](std::int64_t side) {
      return (side + denoiser.size_multiple - 1) / denoiser.size_multiple * denoiser.size_multiple;
    };
    return {.low = {round_up(size.width), round_up(size.height)}, .factors = {}};
  }
  if (request.base_size) {
    return plan_generation_from(*request.base_size, size, denoiser.size_multiple, factors);
  }
  return plan_generation(size, denoiser.native_size, denoiser.size_multiple, factors);
}

GeneratePlan GeneratePipeline::plan(const GenerateRequest& request) const {
  const DenoiserEntry& denoiser = *components_->manifest().denoiser;
  const Manifest& upscaler = upscaler_components_->manifest();
  request.flow.check();
  check_text_options(request, components_->manifest());
  GeneratePlan plan;
  plan.request = request;
  plan.source = source_;
  const auto factors = request.upscale ? upscaling_factors(upscaler, source_) : std::vector<std::int64_t>();
  plan.size = request.size.value_or(default_size(request, denoiser.native_size, factors));
  check_size(plan.size, "an image");
  plan.chain = plan_sizes(request, factors, plan.size);
  if (request.upscale && has_pixel_upscaler(upscaler, source_)) {
    plan_pixels(plan, upscaler, denoiser);
  } else {
    plan.couplings = resolve_couplings(upscaler, plan.chain.factors, request.flow, source_);
  }
  choose_sampler(plan, denoiser);
  tokenize(plan, *tokenizer_);
  plan.memory = plan.pixel_upscaling ? plan_pixel_memory(*upscaler_components_, *plan.pixel_upscaling)
                                     : plan_memory(plan.couplings.empty() ? *components_ : *upscaler_components_,
                                                   plan.size);
  return plan;
}

}  // namespace fmboost
