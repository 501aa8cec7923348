#include "fmboost/pipeline/upscale_chain.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/core/random.h"
#include "fmboost/flow/ode_solver.h"
#include "fmboost/image/resize.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/memory_plan.h"

#include "pipeline/coupling_stage.h"
#include "pipeline/stage_timer.h"

namespace fmboost {
namespace {

// Rounds of back-projection at fidelity 1 for couplings that ask for fewer themselves.
constexpr int kFaithfulRounds = 2;

// When memory is tight, freed strip buffers of at least this size are returned to the OS; otherwise they fragment the
// heap, which then grows by up to half.
constexpr std::int64_t kLeastReturned = 1 << 20;

void apply_fidelity(double fidelity, CouplingEntry& coupling) {
  coupling.back_projection =
      static_cast<int>(std::lround(fidelity * std::max(coupling.back_projection, kFaithfulRounds)));
  if (coupling.noising_step_max) {  // the others were trained with a single noising step
    coupling.noising_step = static_cast<int>(std::lround((1 - fidelity) * *coupling.noising_step_max));
  }
}

// The tiles to try after memory ran out with those of `prepared`. Throws MemoryError if there are none.
TilePlan smaller_tiles(ModelComponents& components, const PreparedCoupling& prepared, const TileOptions& options) {
  const Size& size = prepared.padded;
  const TilePlan smaller = prepared.tiles ? prepared.tiles->halved()
                                          : largest_tiles(plan_stage_memory(components, size),
                                                          std::max(size.width, size.height) / 2, options.overlap);
  if (!options.automatic || smaller.side < smallest_tile(prepared.memory)) {
    const std::string tiling =
        prepared.tiles ? " with tiles of " + std::to_string(prepared.tiles->side) + " pixels" : "";
    throw MemoryError("out of memory while upscaling to " + to_string(prepared.target) + tiling +
                      "; use a smaller size or a smaller `tile`");
  }
  return smaller;
}

// Runs a coupling; if memory runs out and tiling is automatic, repeats it with smaller tiles.
torch::Tensor run_with_smaller_tiles(ModelComponents& components, const CouplingStage& stage, PreparedCoupling prepared,
                                     const std::string& name, const TileOptions& options) {
  if (prepared.tiles) {
    return_freed_memory(kLeastReturned, kLeastReturned);
  }
  log_blended_tiling(prepared.memory, prepared.tiles);
  while (true) {
    try {
      return run_with_float32_fallback(name, components.placement().dtype,
                                       [&](torch::ScalarType dtype) { return stage.run(prepared, dtype); });
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) {
        throw;
      }
      prepared.tiles = smaller_tiles(components, prepared, options);
      log_warning("out of memory; retrying with tiles of " + std::to_string(prepared.tiles->side) + " pixels");
    }
  }
}

// The smallest size of the shape of `pixels` that covers `size`: equal to it, or cropped to it afterwards.
torch::Tensor resized_to_cover(const torch::Tensor& pixels, const Size& size, SizeFit fit) {
  Size target = size;
  if (fit == SizeFit::crop) {
    const double scale = std::max(static_cast<double>(size.width) / static_cast<double>(pixels.size(3)),
                                  static_cast<double>(size.height) / static_cast<double>(pixels.size(2)));
    const auto side = [&](std::int64_t from, std::int64_t least) {
      return std::max(static_cast<std::int64_t>(std::llround(static_cast<double>(from) * scale)), least);
    };
    target = {side(pixels.size(3), size.width), side(pixels.size(2), size.height)};
  }
  const bool reached = target == Size{pixels.size(3), pixels.size(2)};
  return reached ? pixels : resize_bicubic(pixels, target.height, target.width);
}

torch::Tensor crop_center(const torch::Tensor& pixels, const Size& size) {
  const std::int64_t spare_width = pixels.size(3) - size.width;
  const std::int64_t spare_height = pixels.size(2) - size.height;
  return crop(pixels, {.left = spare_width / 2,
                       .right = spare_width - spare_width / 2,
                       .top = spare_height / 2,
                       .bottom = spare_height - spare_height / 2});
}

// The SDE solvers need the score of the start, which is infinite without noise, and is that of the velocity only if the
// network has the context as an input.
void check_stochastic_start(const CouplingEntry& coupling) {
  if (coupling.start_from_noise) {
    return;
  }
  if (coupling.noising_step <= 0) {
    throw UsageError("the flow solver " + coupling.solver +
                     " needs noise at the start: use `flow_noise` above 0, or a lower `fidelity`");
  }
  if (coupling.network.in_channels == coupling.network.out_channels) {
    throw UsageError("the flow solver " + coupling.solver + " needs a coupling network with context");
  }
}

void check_solver(const CouplingEntry& coupling, const FlowOptions& options) {
  const FlowSolver solver = coupling.flow_solver();
  solver.check();
  if (solver.is_stochastic()) {
    check_stochastic_start(coupling);
  } else if (options.diffusion_form || options.diffusion_norm) {
    throw UsageError(
        "`flow_diffusion` and `flow_diffusion_norm` apply to the flow solvers sde-euler and sde-heun, not to " +
        coupling.solver);
  }
}

}  // namespace

void FlowOptions::check() const {
  FlowSolver flow;
  flow.name = solver.value_or(flow.name);
  flow.steps = steps.value_or(flow.steps);
  flow.diffusion_norm = diffusion_norm.value_or(flow.diffusion_norm);
  flow.check();
  if (noising_step && *noising_step > 999) {
    throw UsageError("`flow_noise` must be at most 999, got " + std::to_string(*noising_step));
  }
  if (fidelity && !(*fidelity >= 0 && *fidelity <= 1)) {
    throw UsageError(c10::str("`fidelity` must be from 0 (generative) to 1 (faithful), got ", *fidelity));
  }
  if (back_projection && (*back_projection < 0 || *back_projection > 16)) {
    throw UsageError("`back_project` must be from 0 to 16 rounds, got " + std::to_string(*back_projection));
  }
}

CouplingEntry resolve_coupling(const Manifest& manifest, std::int64_t factor, const FlowOptions& options,
                               ImageSource source) {
  const auto found =
      std::find_if(manifest.couplings.begin(), manifest.couplings.end(),
                   [&](const CouplingEntry& entry) { return entry.factor == factor && entry.upscales(source); });
  if (found == manifest.couplings.end()) {
    throw ModelError("the bundle '" + manifest.name + "' has no coupling for " + std::to_string(factor) + "x of " +
                     enum_name(source) + " images");
  }
  CouplingEntry coupling = *found;
  auto fidelity = options.fidelity;
  if (!fidelity && source == ImageSource::generated) {
    fidelity = coupling.generated_fidelity;
  }
  if (fidelity) {
    apply_fidelity(*fidelity, coupling);
  } else if (source == ImageSource::generated) {
    coupling.back_projection = 0;  // the bundle's number is for existing images
  }
  coupling.steps = options.steps.value_or(coupling.steps);
  coupling.solver = options.solver.value_or(coupling.solver);
  coupling.diffusion_form = options.diffusion_form.value_or(coupling.diffusion_form);
  coupling.diffusion_norm = options.diffusion_norm.value_or(coupling.diffusion_norm);
  coupling.noising_step = options.noising_step.value_or(coupling.noising_step);
  coupling.upsampling = options.upsampling.value_or(coupling.upsampling);
  coupling.back_projection = options.back_projection.value_or(coupling.back_projection);
  check_solver(coupling, options);
  return coupling;
}

std::vector<std::int64_t> coupling_factors(const Manifest& manifest, ImageSource source) {
  std::vector<std::int64_t> factors;
  for (const auto& coupling : manifest.couplings) {
    if (coupling.upscales(source)) {
      factors.push_back(coupling.factor);
    }
  }
  return factors;
}

std::vector<CouplingEntry> resolve_couplings(const Manifest& manifest, const std::vector<std::int64_t>& factors,
                                             const FlowOptions& options, ImageSource source) {
  std::vector<CouplingEntry> couplings;
  for (const auto factor : factors) {
    couplings.push_back(resolve_coupling(manifest, factor, options, source));
  }
  return couplings;
}

UpscaleChain::UpscaleChain(ModelComponents& components, TileOptions tiles) : components_(components), tiles_(tiles) {
  tiles_.check();
}

torch::Tensor UpscaleChain::run(const UpscalePlan& plan, const UpscaleInput& input, std::uint64_t seed,
                                const Hooks& hooks) {
  if (!plan.memory.complete && !plan.couplings.empty()) {
    check_memory(plan_stage_memory(components_, plan.size), tiles_);
  }
  if (plan.pixel_upscaling) {
    torch::Tensor pixels = timed(hooks, "network", components_.placement().device, [&] {
      return run_pixel_upscaler(components_, *plan.pixel_upscaling, input.pixels, tiles_, hooks);
    });
    pixels = timed(hooks, "resize", torch::kCPU, [&] { return resized_to_cover(pixels, plan.size, plan.fit); });
    if (const int rounds = plan.back_projection(); rounds > 0) {
      pixels = timed(hooks, "back_projection", torch::kCPU, [&] { return back_project(pixels, input.pixels, rounds); });
    }
    return crop_center(pixels, plan.size);
  }
  UpscaleInput current = input;
  for (std::size_t i = 0; i < plan.couplings.size(); ++i) {
    const CouplingEntry& coupling = plan.couplings[i];
    const bool reaches_size = plan.fit == SizeFit::scale && i + 1 == plan.couplings.size();
    const Size grown{current.pixels.size(3) * coupling.factor, current.pixels.size(2) * coupling.factor};
    const Size target = reaches_size ? plan.size : grown;
    const CouplingStage stage(components_, coupling, static_cast<int>(i), tiles_, hooks);
    const std::uint64_t noise_seed = derive_seed(seed, "coupling-" + std::to_string(i));
    const std::string name = "coupling " + std::to_string(i + 1);
    current = {run_with_smaller_tiles(components_, stage, stage.prepare(current, target, noise_seed), name, tiles_),
               {}};
  }
  torch::Tensor pixels = std::move(current.pixels);
  const int rounds = plan.couplings.empty() ? 0 : plan.couplings.back().back_projection;
  if (rounds > 0) {
    pixels = timed(hooks, "back_projection", torch::kCPU,
                   [&] { return back_project(std::move(pixels), input.pixels, rounds); });
  }
  return crop_center(pixels, plan.size);
}

}  // namespace fmboost
