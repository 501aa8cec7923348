#include "fmboost/pipeline/upscale.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

#include "pipeline/alpha.h"
#include "pipeline/flat_areas.h"
#include "pipeline/stage_timer.h"

namespace fmboost {
namespace {

std::int64_t rounded(double value) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)), 1);
}

// Whether the target distorts the image by no more than rounding explains.
bool same_shape(const Size& source, const Size& target) {
  const double horizontal = static_cast<double>(target.width) / static_cast<double>(source.width);
  const double vertical = static_cast<double>(target.height) / static_cast<double>(source.height);
  const double scale = std::max(horizontal, vertical);
  return std::abs(static_cast<double>(source.width) * scale - static_cast<double>(target.width)) < scale + 1 &&
         std::abs(static_cast<double>(source.height) * scale - static_cast<double>(target.height)) < scale + 1;
}

bool has_equal_channels(const torch::Tensor& pixels) {
  return torch::equal(pixels.select(1, 0), pixels.select(1, 1)) &&
         torch::equal(pixels.select(1, 0), pixels.select(1, 2));
}

// The printed size stays the same.
void scale_density(const Image& source, const Size& size, ImageMetadata& metadata) {
  if (metadata.density && metadata.density->has_unit) {
    metadata.density->x *= static_cast<double>(size.width) / static_cast<double>(source.width());
    metadata.density->y *= static_cast<double>(size.height) / static_cast<double>(source.height());
  }
}

}  // namespace

void UpscaleOptions::check() const {
  if (!(scale > 1.0 && scale <= 64.0)) {
    throw UsageError(c10::str("`scale` must be more than 1 and at most 64, got ", scale));
  }
  flow.check();
  tiles.check();
}

Size upscaled_size(const Size& source, const UpscaleOptions& options) {
  Size target{rounded(static_cast<double>(source.width) * options.scale),
              rounded(static_cast<double>(source.height) * options.scale)};
  if (options.long_side) {
    const double scale =
        static_cast<double>(*options.long_side) / static_cast<double>(std::max(source.width, source.height));
    target = {rounded(static_cast<double>(source.width) * scale), rounded(static_cast<double>(source.height) * scale)};
  }
  if (options.size) {
    target = *options.size;
    if (!same_shape(source, target)) {
      const double scale = std::min(static_cast<double>(target.width) / static_cast<double>(source.width),
                                    static_cast<double>(target.height) / static_cast<double>(source.height));
      throw UsageError("`size` " + to_string(target) + " would distort an image of " + to_string(source) +
                       "; the largest size of the same shape that fits is " +
                       to_string({rounded(static_cast<double>(source.width) * scale),
                                  rounded(static_cast<double>(source.height) * scale)}));
    }
  }
  check_size(target, "an upscaled image");
  if (target.width < source.width || target.height < source.height || target == source) {
    throw UsageError("an image of " + to_string(source) + " cannot be upscaled to " + to_string(target) +
                     "; use a larger size");
  }
  return target;
}

UpscalePipeline::UpscalePipeline(std::shared_ptr<ModelComponents> components, UpscaleOptions options)
    : components_(std::move(components)), options_(std::move(options)) {
  options_.check();
  const auto& pixel_upscaler = components_->manifest().pixel_upscaler;
  if (pixel_upscaler && pixel_upscaler->upscales(ImageSource::external)) {
    return;
  }
  if (coupling_factors(components_->manifest(), ImageSource::external).empty()) {
    throw ModelError("the bundle '" + components_->bundle().folder().string() +
                     "' has no coupling for existing images, so it cannot upscale them; export one with `cfm`, or "
                     "use another bundle");
  }
}

UpscalePlan UpscalePipeline::plan(const Size& source) const {
  const Manifest& manifest = components_->manifest();
  UpscalePlan plan{.couplings = {}, .size = upscaled_size(source, options_), .fit = SizeFit::scale, .memory = {}};
  const double ratio = std::max(static_cast<double>(plan.size.width) / static_cast<double>(source.width),
                                static_cast<double>(plan.size.height) / static_cast<double>(source.height));
  plan.pixel_upscaling = plan_pixel_upscaling(manifest, source, ratio, options_.flow, ImageSource::external);
  if (plan.pixel_upscaling) {
    plan.memory = plan_pixel_memory(*components_, *plan.pixel_upscaling);
    return plan;
  }
  const auto factors = plan_factors(ratio, coupling_factors(manifest, ImageSource::external));
  plan.couplings = resolve_couplings(manifest, factors, options_.flow, ImageSource::external);
  plan.memory = plan_memory(*components_, plan.size);
  return plan;
}

UpscaledImage UpscalePipeline::run(const Image& source, const Hooks& hooks) {
  const UpscalePlan plan = this->plan({source.width(), source.height()});
  check_memory(plan.memory, options_.tiles);
  UpscaledImage result{source, {}};
  Hooks timed_hooks = hooks;
  timed_hooks.timing = sum_of_seconds(result.seconds, hooks.timing);
  // The network and the filters would carry the colors of transparent pixels, which nobody sees, into visible ones.
  const torch::Tensor pixels =
      (source.alpha.defined() ? spread_colors(source.pixels, source.alpha) : source.pixels).unsqueeze(0);
  UpscaleChain chain(*components_, options_.tiles);
  torch::Tensor upscaled = chain.run(plan, {pixels, {}}, options_.seed, timed_hooks);
  if (options_.color_fix != ColorFix::none) {
    upscaled =
        timed(timed_hooks, "color_fix", torch::kCPU, [&] { return fix_colors(upscaled, pixels, options_.color_fix); });
  }
  if (plan.back_projection() > 0) {  // the result is to agree with the source
    hold_flat_areas(upscaled, pixels);
  }
  result.image.pixels = upscaled.squeeze(0);
  if (source.gray || has_equal_channels(pixels)) {
    result.image.pixels = result.image.pixels.mean(0, /*keepdim=*/true).expand({3, -1, -1});
  }
  if (source.alpha.defined()) {
    result.image.alpha = upscale_alpha(source.alpha, plan.size.height, plan.size.width);
  }
  scale_density(source, plan.size, result.image.metadata);
  return result;
}

}  // namespace fmboost
