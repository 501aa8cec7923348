#include "pipeline/coupling_stage.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/random.h"

namespace fmboost {
namespace {

// Latent latent pixels of reflection on every side, as far as the decoders' zero padding reaches visibly.
constexpr std::int64_t kMarginLatentPixels = 4;

}  // namespace

CouplingStage::CouplingStage(ModelComponents& components, CouplingEntry coupling, std::uint64_t noise_seed, int index)
    : components_(components),
      coupling_(std::move(coupling)),
      noise_seed_(noise_seed),
      index_(index),
      factor_(components.manifest().autoencoder->factor),
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

void CouplingStage::prepare(const UpscaleInput& input, const Size& target, const TilesFor& tiles_for) {
  if (coupling_.upsampling == Upsampling::pixel) {
    prepare_pixels(input.pixels, target);
  } else {
    prepare_latent(input, target, tiles_for);
  }
  auto generator = cpu_generator(noise_seed_);
  noise_ = gaussian_noise(
      {1, components_.manifest().autoencoder->latent_channels, padded_.height / factor_, padded_.width / factor_},
      generator);
}

// `covered` is what the upscaled image has, at least `target`; what is beyond the target counts as margin.
void CouplingStage::choose_margins(const Size& covered, const Size& target) {
  const std::int64_t least = kMarginLatentPixels * factor_;
  const auto padded = [&](std::int64_t side) { return (side + 2 * least + unit_ - 1) / unit_ * unit_; };
  padded_ = {padded(covered.width), padded(covered.height)};
  // Whole latent pixels in front, so that the same margin can be put around pixels and around latents.
  const auto front = [&](std::int64_t whole, std::int64_t side) { return (whole - side) / 2 / factor_ * factor_; };
  margins_.left = front(padded_.width, covered.width);
  margins_.top = front(padded_.height, covered.height);
  margins_.right = padded_.width - target.width - margins_.left;
  margins_.bottom = padded_.height - target.height - margins_.top;
}

void CouplingStage::prepare_pixels(const torch::Tensor& pixels, const Size& target) {
  choose_margins(target, target);
  upsampled_pixels_ = pad_reflect(upsample_bilinear(pixels, target.height, target.width), margins_);
}

torch::Tensor CouplingStage::encode(const torch::Tensor& pixels, const TilesFor& tiles_for) {
  const Margins fill{.right = (factor_ - pixels.size(3) % factor_) % factor_,
                     .bottom = (factor_ - pixels.size(2) % factor_) % factor_};
  const torch::Tensor filled = pad_reflect(pixels, fill);
  const auto pieces = tiles_for({filled.size(3), filled.size(2)});
  return run_with_float32_fallback("the encoder", components_.placement().dtype, [&](torch::ScalarType dtype) {
    return TiledAutoencoder(components_.autoencoder(dtype), factor_, pieces).encode(filled);
  });
}

void CouplingStage::prepare_latent(const UpscaleInput& input, const Size& target, const TilesFor& tiles_for) {
  const torch::Tensor latent =
      (input.latent.defined() ? input.latent : encode(input.pixels, tiles_for)).to(torch::kCPU);
  const std::int64_t scale = coupling_.upsampling == Upsampling::identity ? 1 : coupling_.factor;
  const std::int64_t height = latent.size(2) * scale;
  const std::int64_t width = latent.size(3) * scale;
  const Size covered{width * factor_, height * factor_};
  if (covered.width < target.width || covered.height < target.height) {
    throw UsageError("latent-space upsampling '" + enum_name(coupling_.upsampling) + "' makes " + to_string(covered) +
                     ", which is smaller than the " + to_string(target) + " asked for; use pixel");
  }
  auto generator = cpu_generator(derive_seed(noise_seed_, "upsampling"));
  const torch::Tensor noise = gaussian_noise({1, latent.size(1), height, width}, generator);
  choose_margins(covered, target);
  const Margins around{.left = margins_.left / factor_,
                       .right = (padded_.width - covered.width - margins_.left) / factor_,
                       .top = margins_.top / factor_,
                       .bottom = (padded_.height - covered.height - margins_.top) / factor_};
  upsampled_latent_ = pad_reflect(upsample_latent(latent, coupling_.upsampling, height, width, noise), around);
}

GaussianStart CouplingStage::gaussian_start(const torch::Tensor& context, const torch::Tensor& noise) const {
  const StartWeights weights = coupling_.start_from_noise ? StartWeights{0, 1} : start_weights(coupling_.noising_step);
  return {.mean = context * weights.context, .scale = weights.noise, .noise = noise};
}

torch::Tensor CouplingStage::flow(const torch::Tensor& context, VelocityNetwork& network,
                                  const StripLimits* strips) const {
  const torch::Tensor noise = noise_.to(context.device());
  const auto field = [&](double t, const torch::Tensor& x) {
    check_interrupt();
    return network.velocity(x, t, context, strips);
  };
  const auto advance = [&](int step, double, const torch::Tensor&) {
    if (progress_) {
      progress_("flow " + std::to_string(index_ + 1), step, coupling_.steps);
    }
  };
  const FlowSolver solver = coupling_.flow_solver();
  if (!solver.is_stochastic()) {
    const torch::Tensor start =
        coupling_.start_from_noise ? noise : noised_start(context, noise, coupling_.noising_step);
    return solve_ode(field, start, solver.ode(), advance);
  }
  // One field of noise per step for the whole image, drawn on the CPU: the same for every tiling and device.
  auto generator = cpu_generator(derive_seed(noise_seed_, "sde"));
  const auto draw = [&] { return gaussian_noise(noise_.sizes(), generator).to(context.device()); };
  return solve_sde(field, gaussian_start(context, noise), Path(coupling_.path), solver.sde(), draw, advance);
}

torch::Tensor CouplingStage::run(const std::optional<TilePlan>& pieces, torch::ScalarType dtype) {
  const TiledAutoencoder autoencoder(components_.autoencoder(dtype), factor_, pieces);
  const torch::Tensor context =
      (upsampled_latent_.defined() ? upsampled_latent_ : autoencoder.encode(upsampled_pixels_))
          .to(components_.placement().device);
  report("context", context);
  const torch::Tensor latent =
      flow(context, components_.velocity(coupling_, dtype), pieces ? &pieces->strips : nullptr);
  report("high_latent", latent);
  check_interrupt();
  return crop(autoencoder.decode(latent).to(torch::kCPU), margins_).contiguous();
}

}  // namespace fmboost
