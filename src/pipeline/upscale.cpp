#include "fmboost/pipeline/upscale.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/image/resize.h"

namespace fmboost {
namespace {

std::int64_t rounded(double value) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)), 1);
}

// Where a size is asked for that stretches the image by more than what rounding explains.
bool same_shape(const Size& source, const Size& target) {
  const double horizontal = static_cast<double>(target.width) / static_cast<double>(source.width);
  const double vertical = static_cast<double>(target.height) / static_cast<double>(source.height);
  const double scale = std::max(horizontal, vertical);
  return std::abs(static_cast<double>(source.width) * scale - static_cast<double>(target.width)) < scale + 1 &&
         std::abs(static_cast<double>(source.height) * scale - static_cast<double>(target.height)) < scale + 1;
}

}  // namespace

void UpscaleOptions::check() const {
  if (!(scale > 1.0 && scale <= 64.0)) {
    throw UsageError("the scale must be more than 1 and at most 64");
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
      throw UsageError("a size of " + to_string(target) + " would stretch an image of " + to_string(source) +
                       "; the nearest size of its shape within it is " +
                       to_string({rounded(static_cast<double>(source.width) * scale),
                                  rounded(static_cast<double>(source.height) * scale)}));
    }
  }
  check_size(target, "an upscaled image");
  if (target.width < source.width || target.height < source.height || target == source) {
    throw UsageError("an image of " + to_string(source) + " cannot be upscaled to " + to_string(target) +
                     ": ask for a larger size");
  }
  return target;
}

UpscalePipeline::UpscalePipeline(std::shared_ptr<ModelComponents> components, UpscaleOptions options)
    : components_(std::move(components)), options_(std::move(options)), chain_(*components_, options_.flow, options_.tiles, ImageSource::external) {
  options_.check();
  if (coupling_factors(components_->manifest(), ImageSource::external).empty()) {
    throw ModelError("the bundle '" + components_->bundle().folder().string() +
                     "' has no coupling for existing images, so it cannot upscale them; export one with --cfm, or "
                     "use another bundle");
  }
}

void UpscalePipeline::check_memory(const Size& size) {
  chain_.check_memory(size);
}

Image UpscalePipeline::run(const Image& source, const ProgressCallback& progress,
                           std::map<std::string, double>* seconds, const IntermediateObserver& observer) {
  const Size size{source.width(), source.height()};
  const Size target = upscaled_size(size, options_);
  check_memory(target);
  const double ratio = std::max(static_cast<double>(target.width) / static_cast<double>(size.width),
                                static_cast<double>(target.height) / static_cast<double>(size.height));
  const auto factors = plan_factors(ratio, coupling_factors(components_->manifest(), ImageSource::external));
  const auto start = std::chrono::steady_clock::now();
  const torch::Tensor pixels = source.pixels.unsqueeze(0);
  torch::Tensor upscaled = chain_.run({pixels, {}}, factors, target, options_.seed, progress, observer);
  const auto flow_end = std::chrono::steady_clock::now();
  upscaled = back_project(std::move(upscaled), pixels, chain_.back_projection(factors));
  upscaled = fix_colors(upscaled, pixels, options_.color_fix);
  const auto finished = std::chrono::steady_clock::now();
  if (seconds != nullptr) {
    (*seconds)["upscale"] = std::chrono::duration<double>(flow_end - start).count();
    (*seconds)["back_projection"] = std::chrono::duration<double>(finished - flow_end).count();
  }
  Image result = source;
  result.pixels = upscaled.squeeze(0);
  if (source.alpha.defined()) {
    result.alpha = resize_bicubic(source.alpha.unsqueeze(0), target.height, target.width).squeeze(0).clamp(0, 1);
  }
  return result;
}

}  // namespace fmboost
