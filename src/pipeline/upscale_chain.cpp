#include "fmboost/pipeline/upscale_chain.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/core/random.h"
#include "fmboost/pipeline/memory_plan.h"

#include "pipeline/coupling_stage.h"

namespace fmboost {
namespace {

// At the faithful end of the dial, of couplings that ask for less themselves.
constexpr int kFaithfulRounds = 2;

// Where memory is short, what strips leave behind them must not stand between what is kept: by half more otherwise.
constexpr std::int64_t kLeastReturned = 1 << 20;

void apply_fidelity(double fidelity, CouplingEntry& coupling) {
  coupling.back_projection =
      static_cast<int>(std::lround(fidelity * std::max(coupling.back_projection, kFaithfulRounds)));
  if (coupling.noising_step_max) {  // the others know no noise but the one they were trained with
    coupling.noising_step = static_cast<int>(std::lround((1 - fidelity) * *coupling.noising_step_max));
  }
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
    throw UsageError("the flow's noising step must be at most 999, not " + std::to_string(*noising_step));
  }
  if (fidelity && !(*fidelity >= 0 && *fidelity <= 1)) {
    throw UsageError(c10::str("the fidelity must be from 0 (generative) to 1 (faithful), not ", *fidelity));
  }
  if (back_projection && (*back_projection < 0 || *back_projection > 16)) {
    throw UsageError("back-projection takes 0 to 16 rounds, not " + std::to_string(*back_projection));
  }
}

void TileOptions::check() const {
  if (!automatic && size != 0 && (size < 64 || size > kMaxSide)) {
    throw UsageError("a tile of " + std::to_string(size) + " pixels is out of range: give 64 to " +
                     std::to_string(kMaxSide) + ", auto or off");
  }
  if (overlap < 0 || (!automatic && size != 0 && overlap > size / 2)) {
    throw UsageError("a tile overlap of " + std::to_string(overlap) +
                     " pixels is out of range: it must be at least 0 and at most half the tile");
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
    coupling.back_projection = 0;  // what the bundle says is for existing images
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

UpscaleChain::UpscaleChain(ModelComponents& components, FlowOptions flow, TileOptions tiles, ImageSource source)
    : components_(components), flow_(std::move(flow)), tiles_(tiles), source_(source) {
  flow_.check();
  tiles_.check();
}

void UpscaleChain::check_memory(const Size& size) {
  const MemoryPlan plan = plan_memory(components_, size);
  const std::int64_t side = tiles_.automatic ? smallest_tile(plan) : tiles_.size;
  const auto piece = static_cast<double>(side * side);
  std::int64_t needed = plan.untiled_bytes();
  if (side > 0 && piece < plan.pixels) {
    needed = tiles_.automatic ? std::min(needed, plan.tiled_bytes(piece)) : plan.tiled_bytes(piece);
  }
  if (needed > plan.available) {
    throw MemoryError("an image of " + to_string(size) + " needs about " + format_bytes(needed) + " of memory, and " +
                      format_bytes(plan.available) + " can be used" +
                      (tiles_.automatic ? "; ask for a smaller size" : "; use --tile auto, or ask for a smaller size"));
  }
}

torch::Tensor UpscaleChain::run_coupling(const UpscaleInput& input, const CouplingEntry& coupling, const Size& target,
                                         int index, std::uint64_t seed, const ProgressCallback& progress,
                                         const IntermediateObserver& observer) {
  CouplingStage stage(components_, coupling, derive_seed(seed, "coupling-" + std::to_string(index)), index);
  stage.watch(progress, observer);
  stage.prepare(input, target,
                [&](const Size& size) { return plan_tiles(plan_memory(components_, size), tiles_, size); });
  const Size padded = stage.padded_size();
  const MemoryPlan plan = plan_memory(components_, padded);
  auto pieces = plan_tiles(plan, tiles_, padded);
  if (pieces) {
    return_freed_memory(kLeastReturned, kLeastReturned);
  }
  log_blended_tiling(plan, pieces);
  while (true) {
    try {
      return run_with_float32_fallback("coupling " + std::to_string(index + 1), components_.placement().dtype,
                                       [&](torch::ScalarType dtype) { return stage.run(pieces, dtype); });
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) {
        throw;
      }
      const std::int64_t half = std::max(padded.width, padded.height) / 2;
      const TilePlan smaller =
          pieces ? pieces->halved() : largest_tiles(plan_memory(components_, padded), half, tiles_.overlap);
      if (!tiles_.automatic || smaller.side < smallest_tile(plan)) {
        throw MemoryError("memory ran out while upscaling to " + to_string(target) +
                          (pieces ? " in pieces of " + std::to_string(pieces->side) + " pixels a side" : "") +
                          "; ask for a smaller size or a smaller --tile");
      }
      pieces = smaller;
      log_warning("memory ran out; going on with pieces of " + std::to_string(pieces->side) + " pixels a side");
    }
  }
}

int UpscaleChain::back_projection(const std::vector<std::int64_t>& factors) const {
  return resolve_coupling(components_.manifest(), factors.back(), flow_, source_).back_projection;
}

torch::Tensor UpscaleChain::run(const UpscaleInput& input, const std::vector<std::int64_t>& factors,
                                std::optional<Size> target, std::uint64_t seed, const ProgressCallback& progress,
                                const IntermediateObserver& observer) {
  UpscaleInput current = input;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    Size size{current.pixels.size(3) * factors[i], current.pixels.size(2) * factors[i]};
    if (target && i + 1 == factors.size()) {
      size = *target;
    }
    const CouplingEntry coupling = resolve_coupling(components_.manifest(), factors[i], flow_, source_);
    torch::Tensor pixels = run_coupling(current, coupling, size, static_cast<int>(i), seed, progress, observer);
    current = {std::move(pixels), {}};
  }
  return current.pixels;
}

}  // namespace fmboost
