#include "coupling_stage.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/random.h"
#include "fmboost/flow/ode_solver.h"

namespace fmboost {
namespace {

using torch::indexing::Slice;

// Latent sites of reflection on every side, as far as the decoders' zero padding reaches visibly.
constexpr std::int64_t kMarginSites = 4;

torch::Tensor cut(const torch::Tensor& x, const Window& window, std::int64_t scale) {
  return x.index({Slice(), Slice(), Slice(window.top * scale, (window.top + window.height) * scale),
                  Slice(window.left * scale, (window.left + window.width) * scale)});
}

Window scaled(const Window& window, std::int64_t scale) {
  return {window.top * scale, window.left * scale, window.height * scale, window.width * scale};
}

}  // namespace

CouplingStage::CouplingStage(ModelParts& parts, CouplingEntry coupling, std::uint64_t noise_seed, int index)
    : parts_(parts),
      coupling_(std::move(coupling)),
      noise_seed_(noise_seed),
      index_(index),
      factor_(parts.manifest().autoencoder->factor),
      unit_(factor_ * coupling_.network.size_multiple()) {}

void CouplingStage::watch(ProgressCallback progress, IntermediateObserver observer) {
  progress_ = std::move(progress);
  observer_ = std::move(observer);
}

void CouplingStage::report(const std::string& name, const torch::Tensor& tensor) const {
  if (observer_) {
    observer_(name + "-" + std::to_string(index_), tensor);
  }
}

void CouplingStage::prepare(const BoostInput& input, const Size& target) {
  if (coupling_.upsampling == Upsampling::psu) {
    prepare_pixels(input.pixels, target);
  } else {
    prepare_latent(input, target);
  }
  auto generator = cpu_generator(noise_seed_);
  noise_ = gaussian_noise(
      {1, parts_.manifest().autoencoder->latent_channels, padded_.height / factor_, padded_.width / factor_},
      generator);
}

// `covered` is what the enlarged picture has, at least `target`; what is beyond the target counts as margin.
void CouplingStage::choose_margins(const Size& covered, const Size& target) {
  const std::int64_t least = kMarginSites * factor_;
  const auto padded = [&](std::int64_t side) { return (side + 2 * least + unit_ - 1) / unit_ * unit_; };
  padded_ = {padded(covered.width), padded(covered.height)};
  // Whole sites in front, so that the same margin can be put around pixels and around latents.
  const auto front = [&](std::int64_t whole, std::int64_t side) { return (whole - side) / 2 / factor_ * factor_; };
  margins_.left = front(padded_.width, covered.width);
  margins_.top = front(padded_.height, covered.height);
  margins_.right = padded_.width - target.width - margins_.left;
  margins_.bottom = padded_.height - target.height - margins_.top;
}

void CouplingStage::prepare_pixels(const torch::Tensor& pixels, const Size& target) {
  choose_margins(target, target);
  enlarged_pixels_ = pad_reflect(enlarge_bilinear(pixels, target.height, target.width), margins_);
}

void CouplingStage::prepare_latent(const BoostInput& input, const Size& target) {
  torch::Tensor latent = input.latent;
  if (!latent.defined()) {
    const Margins fill{.right = (factor_ - input.pixels.size(3) % factor_) % factor_,
                       .bottom = (factor_ - input.pixels.size(2) % factor_) % factor_};
    const torch::Tensor pixels = pad_reflect(input.pixels, fill);
    latent = run_finite("the encoder", parts_.placement().dtype,
                        [&](torch::ScalarType dtype) { return parts_.autoencoder(dtype).encode(pixels); });
  }
  latent = latent.to(torch::kCPU);
  const std::int64_t scale = coupling_.upsampling == Upsampling::identity ? 1 : coupling_.factor;
  const std::int64_t height = latent.size(2) * scale;
  const std::int64_t width = latent.size(3) * scale;
  const Size covered{width * factor_, height * factor_};
  if (covered.width < target.width || covered.height < target.height) {
    throw UsageError("latent-space upsampling '" + upsampling_name(coupling_.upsampling) + "' makes " +
                     to_string(covered) + ", which is smaller than the " + to_string(target) + " asked for; use psu");
  }
  auto generator = cpu_generator(derive_seed(noise_seed_, "upsampling"));
  const torch::Tensor noise = gaussian_noise({1, latent.size(1), height, width}, generator);
  choose_margins(covered, target);
  const Margins around{.left = margins_.left / factor_,
                       .right = (padded_.width - covered.width - margins_.left) / factor_,
                       .top = margins_.top / factor_,
                       .bottom = (padded_.height - covered.height - margins_.top) / factor_};
  enlarged_latent_ = pad_reflect(upsample_latent(latent, coupling_.upsampling, height, width, noise), around);
}

torch::Tensor CouplingStage::context_of(const Window& window, Autoencoder& autoencoder) const {
  if (enlarged_latent_.defined()) {
    return cut(enlarged_latent_, window, 1);
  }
  return autoencoder.encode(cut(enlarged_pixels_, window, factor_).contiguous());
}

torch::Tensor CouplingStage::flow(const torch::Tensor& context, const Window& window, VelocityNetwork& network,
                                  std::int64_t window_index, std::int64_t window_count) const {
  const torch::Tensor noise = cut(noise_, window, 1).to(context.device());
  const torch::Tensor start = coupling_.start_from_noise ? noise : noised_start(context, noise, coupling_.noising_step);
  const std::int64_t steps = coupling_.steps;
  const auto field = [&](double t, const torch::Tensor& x) {
    check_interrupt();
    return network.velocity(x, t, context);
  };
  const auto advance = [&](int step, double, const torch::Tensor&) {
    if (progress_) {
      progress_("flow " + std::to_string(index_ + 1), window_index * steps + step, window_count * steps);
    }
  };
  return solve_ode(field, start, {.method = coupling_.solver, .steps = coupling_.steps}, advance);
}

torch::Tensor CouplingStage::run(std::int64_t side, std::int64_t overlap, torch::ScalarType dtype) {
  Autoencoder& autoencoder = parts_.autoencoder(dtype);
  VelocityNetwork& network = parts_.velocity(coupling_, dtype);
  const std::int64_t multiple = unit_ / factor_;
  // Windows that were chosen to fit into memory may be small for the overlap that was asked for.
  const auto whole = [&](std::int64_t sites) { return (sites + multiple - 1) / multiple * multiple; };
  const std::int64_t shared = std::min(whole(overlap / factor_), whole(side / factor_ / 2));
  const auto windows =
      plan_windows(padded_.height / factor_, padded_.width / factor_, side / factor_, shared, multiple);
  WindowBlender blender(3, padded_.height, padded_.width, shared * factor_);
  const auto count = static_cast<std::int64_t>(windows.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const Window& window = windows[static_cast<std::size_t>(i)];
    check_interrupt();
    const torch::Tensor context = context_of(window, autoencoder);
    const torch::Tensor latent = flow(context, window, network, i, count);
    if (count == 1) {
      report("context", context);
      report("high_latent", latent);
    }
    check_interrupt();
    blender.add(scaled(window, factor_), autoencoder.decode(latent));
  }
  return crop(blender.result(), margins_).contiguous();
}

}  // namespace fmboost
