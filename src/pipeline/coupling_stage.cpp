#include "pipeline/coupling_stage.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/random.h"

#include "pipeline/stage_timer.h"

namespace fmboost {
namespace {

// Latent pixels of reflection on every side: as far as zero padding inside decoders has a visible effect.
constexpr std::int64_t kMarginLatentPixels = 4;

}  // namespace

CouplingStage::CouplingStage(ModelComponents& components, CouplingEntry coupling, int index, TileOptions tiles,
                             Hooks hooks)
    : components_(components),
      coupling_(std::move(coupling)),
      index_(index),
      tiles_(tiles),
      hooks_(std::move(hooks)),
      factor_(components.manifest().autoencoder->factor),
      unit_(factor_ * coupling_.network.size_multiple()) {}

void CouplingStage::report(const std::string& name, const torch::Tensor& tensor) const {
  if (hooks_.intermediate) {
    hooks_.intermediate(name + "-" + std::to_string(index_), tensor);
  }
}

PreparedCoupling CouplingStage::prepare(const UpscaleInput& input, const Size& target, std::uint64_t noise_seed) const {
  PreparedCoupling prepared;
  prepared.target = target;
  prepared.noise_seed = noise_seed;
  if (coupling_.upsampling == Upsampling::pixel) {
    prepare_pixels(prepared, input.pixels, target);
  } else {
    prepare_latent(prepared, input, target, noise_seed);
  }
  const std::int64_t channels = components_.manifest().autoencoder->latent_channels;
  auto generator = cpu_generator(noise_seed);
  prepared.noise =
      gaussian_noise({1, channels, prepared.padded.height / factor_, prepared.padded.width / factor_}, generator);
  prepared.memory = timed(hooks_, coupling_.upsampling == Upsampling::pixel ? "encode" : "decode", device(),
                          [&] { return plan_stage_memory(components_, prepared.padded); });
  prepared.tiles = plan_tiles(prepared.memory, tiles_);
  return prepared;
}

// `covered` is the size of the upsampled image, at least `target`; what is beyond the target becomes margin.
void CouplingStage::choose_margins(PreparedCoupling& prepared, const Size& covered, const Size& target) const {
  const std::int64_t least = kMarginLatentPixels * factor_;
  const auto padded_side = [&](std::int64_t side) { return (side + 2 * least + unit_ - 1) / unit_ * unit_; };
  prepared.padded = {padded_side(covered.width), padded_side(covered.height)};
  // Whole latent pixels at the left and top, so that pixels and latents can be padded alike.
  const auto front = [&](std::int64_t whole, std::int64_t side) { return (whole - side) / 2 / factor_ * factor_; };
  Margins& margins = prepared.margins;
  margins.left = front(prepared.padded.width, covered.width);
  margins.top = front(prepared.padded.height, covered.height);
  margins.right = prepared.padded.width - target.width - margins.left;
  margins.bottom = prepared.padded.height - target.height - margins.top;
}

void CouplingStage::prepare_pixels(PreparedCoupling& prepared, const torch::Tensor& pixels, const Size& target) const {
  choose_margins(prepared, target, target);
  prepared.upsampled_pixels = timed(hooks_, "resize", device(), [&] {
    return pad_reflect(upsample_bilinear(pixels, target.height, target.width), prepared.margins);
  });
}

torch::Tensor CouplingStage::encode(const torch::Tensor& pixels) const {
  const Margins fill{.right = (factor_ - pixels.size(3) % factor_) % factor_,
                     .bottom = (factor_ - pixels.size(2) % factor_) % factor_};
  const torch::Tensor filled = pad_reflect(pixels, fill);
  return timed(hooks_, "encode", device(), [&] {
    const auto tiles = plan_tiles(plan_stage_memory(components_, {filled.size(3), filled.size(2)}), tiles_);
    return run_with_float32_fallback("the encoder", components_.placement().dtype, [&](torch::ScalarType dtype) {
      return TiledAutoencoder(components_.autoencoder(dtype), factor_, tiles).encode(filled);
    });
  });
}

void CouplingStage::prepare_latent(PreparedCoupling& prepared, const UpscaleInput& input, const Size& target,
                                   std::uint64_t noise_seed) const {
  const torch::Tensor latent = (input.latent.defined() ? input.latent : encode(input.pixels)).to(torch::kCPU);
  const std::int64_t scale = coupling_.upsampling == Upsampling::identity ? 1 : coupling_.factor;
  const std::int64_t height = latent.size(2) * scale;
  const std::int64_t width = latent.size(3) * scale;
  const Size covered{width * factor_, height * factor_};
  if (covered.width < target.width || covered.height < target.height) {
    throw UsageError("`upsampling` " + enum_name(coupling_.upsampling) + " gives " + to_string(covered) +
                     ", which is smaller than the target size " + to_string(target) + "; use pixel");
  }
  auto generator = cpu_generator(derive_seed(noise_seed, "upsampling"));
  const torch::Tensor noise = gaussian_noise({1, latent.size(1), height, width}, generator);
  choose_margins(prepared, covered, target);
  const Margins& margins = prepared.margins;
  const Margins around{.left = margins.left / factor_,
                       .right = (prepared.padded.width - covered.width - margins.left) / factor_,
                       .top = margins.top / factor_,
                       .bottom = (prepared.padded.height - covered.height - margins.top) / factor_};
  prepared.upsampled_latent = timed(hooks_, "resize", device(), [&] {
    return pad_reflect(upsample_latent(latent, coupling_.upsampling, height, width, noise), around);
  });
}

GaussianStart CouplingStage::gaussian_start(const torch::Tensor& context, const torch::Tensor& noise) const {
  const StartWeights weights = coupling_.start_from_noise ? StartWeights{0, 1} : start_weights(coupling_.noising_step);
  return {.mean = context * weights.context, .scale = weights.noise, .noise = noise};
}

torch::Tensor CouplingStage::flow(const PreparedCoupling& prepared, const torch::Tensor& context,
                                  VelocityNetwork& network) const {
  const StripLimits* strips = prepared.tiles ? &prepared.tiles->strips : nullptr;
  const torch::Tensor noise = prepared.noise.to(context.device());
  const auto field = [&](double t, const torch::Tensor& x) {
    check_interrupt();
    return network.velocity(x, t, context, strips);
  };
  const auto advance = [&](int step, double, const torch::Tensor&) {
    if (hooks_.progress) {
      hooks_.progress("flow " + std::to_string(index_ + 1), step, coupling_.steps);
    }
  };
  const FlowSolver solver = coupling_.flow_solver();
  if (!solver.is_stochastic()) {
    const torch::Tensor start =
        coupling_.start_from_noise ? noise : noised_start(context, noise, coupling_.noising_step);
    return solve_ode(field, start, solver.ode(), advance);
  }
  // One field of noise per step for the whole image, drawn on the CPU: the same for every tiling and device.
  auto generator = cpu_generator(derive_seed(prepared.noise_seed, "sde"));
  const auto draw = [&] { return gaussian_noise(prepared.noise.sizes(), generator).to(context.device()); };
  return solve_sde(field, gaussian_start(context, noise), Path(coupling_.path), solver.sde(), draw, advance);
}

torch::Tensor CouplingStage::context(const PreparedCoupling& prepared, const TiledAutoencoder& autoencoder) const {
  if (prepared.upsampled_latent.defined()) {
    return prepared.upsampled_latent.to(device());
  }
  return timed(hooks_, "encode", device(), [&] { return autoencoder.encode(prepared.upsampled_pixels).to(device()); });
}

torch::Tensor CouplingStage::run(const PreparedCoupling& prepared, torch::ScalarType dtype) const {
  const TiledAutoencoder autoencoder(components_.autoencoder(dtype), factor_, prepared.tiles);
  const torch::Tensor context = this->context(prepared, autoencoder);
  report("context", context);
  const torch::Tensor latent =
      timed(hooks_, "flow", device(), [&] { return flow(prepared, context, components_.velocity(coupling_, dtype)); });
  report("high_latent", latent);
  check_interrupt();
  return timed(hooks_, "decode", device(),
               [&] { return crop(autoencoder.decode(latent).to(torch::kCPU), prepared.margins).contiguous(); });
}

}  // namespace fmboost
