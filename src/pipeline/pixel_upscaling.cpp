#include "fmboost/pipeline/pixel_upscaling.h"

#include <cmath>
#include <set>
#include <string>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/resize.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tile_plan.h"

namespace fmboost {
namespace {

// The edges of the image are repeated this far, so that the zero padding of the first layers does not show.
constexpr std::int64_t kMarginPixels = 10;
// Rounds of back-projection at fidelity 1.
constexpr double kRoundsAtFullFidelity = 2;
constexpr double kPixelMargin = 1.3;  // scratch memory of libraries, gaps between allocations
// Input and result, as given and as the network has them: float32, three channels.
constexpr double kHeldBytesPerPixel = 4.0 * 3 * 4;
constexpr double kUsableMemory = 0.8;  // other programs need memory too, and the figures are estimates

std::int64_t count_passes(std::int64_t factor, double ratio) {
  if (factor <= 1) {
    return 1;
  }
  std::int64_t passes = 1;
  for (auto reached = static_cast<double>(factor); reached < ratio - 1e-9; reached *= static_cast<double>(factor)) {
    ++passes;
  }
  return passes;
}

// One warning for each set of options, not for each image.
void warn_of_flow_options(const FlowOptions& options) {
  std::string names;
  const auto note = [&](bool given, const char* name) {
    names += given ? (names.empty() ? "`" : ", `") + std::string(name) + "`" : "";
  };
  note(options.steps.has_value(), "flow_steps");
  note(options.solver.has_value(), "flow_solver");
  note(options.diffusion_form.has_value(), "flow_diffusion");
  note(options.diffusion_norm.has_value(), "flow_diffusion_norm");
  note(options.noising_step.has_value(), "flow_noise");
  note(options.upsampling.has_value(), "upsampling");
  static std::set<std::string> warned;
  if (!names.empty() && warned.insert(names).second) {
    log_warning("a pixel upscaler has no flow: no effect of " + names);
  }
}

// Repeats the edges: the margin on every side, and at the right and bottom up to a multiple.
Margins margins_for(const Size& size, std::int64_t multiple) {
  const auto fill = [&](std::int64_t side) { return (multiple - side % multiple) % multiple; };
  const std::int64_t margin = (kMarginPixels + multiple - 1) / multiple * multiple;
  return {.left = margin,
          .right = margin + fill(size.width),
          .top = margin,
          .bottom = margin + fill(size.height)};
}

torch::Tensor one_pass(ModelComponents& components, const PixelUpscaling& upscaling, const torch::Tensor& pixels,
                       const std::optional<TilePlan>& tiles) {
  const std::int64_t factor = upscaling.entry.factor();
  const Margins m = margins_for({pixels.size(3), pixels.size(2)}, upscaling.entry.size_multiple());
  const torch::Tensor padded = at::replication_pad2d(pixels, {m.left, m.right, m.top, m.bottom});
  const torch::Tensor result =
      run_with_float32_fallback("the pixel upscaler", components.placement().dtype, [&](torch::ScalarType dtype) {
        return components.pixel_upscaler(dtype).upscale(padded, tiles ? &tiles->strips : nullptr);
      });
  return crop(result, {.left = m.left * factor,
                       .right = m.right * factor,
                       .top = m.top * factor,
                       .bottom = m.bottom * factor})
      .to(torch::kCPU)
      .contiguous();
}

// Runs a pass; if memory runs out and tiling is automatic, repeats it with smaller tiles.
torch::Tensor pass_with_smaller_tiles(ModelComponents& components, const PixelUpscaling& upscaling,
                                      const torch::Tensor& pixels, const TileOptions& options) {
  PixelUpscaling pass = upscaling;
  pass.network_size = {pixels.size(3) * upscaling.entry.factor(), pixels.size(2) * upscaling.entry.factor()};
  const MemoryPlan memory = plan_pixel_memory(components, pass);
  auto tiles = plan_tiles(memory, options);
  while (true) {
    try {
      return one_pass(components, upscaling, pixels, tiles);
    } catch (const std::exception& error) {
      const std::int64_t longer = std::max(pass.network_size.width, pass.network_size.height);
      const TilePlan smaller = tiles ? tiles->halved() : largest_tiles(memory, longer / 2, options.overlap);
      if (!is_out_of_memory(error) || !options.automatic || smaller.side < smallest_tile(memory)) {
        throw;
      }
      tiles = smaller;
      log_warning("out of memory; retrying with tiles of " + std::to_string(smaller.side) + " pixels");
    }
  }
}

}  // namespace

std::optional<PixelUpscaling> plan_pixel_upscaling(const Manifest& manifest, const Size& input, double ratio,
                                                   const FlowOptions& options, ImageSource source) {
  if (!manifest.pixel_upscaler || !manifest.pixel_upscaler->upscales(source)) {
    return std::nullopt;
  }
  warn_of_flow_options(options);
  PixelUpscaling upscaling{.entry = *manifest.pixel_upscaler, .network_size = input};
  upscaling.passes = count_passes(upscaling.entry.factor(), ratio);
  for (std::int64_t i = 0; i < upscaling.passes; ++i) {
    upscaling.network_size.width *= upscaling.entry.factor();
    upscaling.network_size.height *= upscaling.entry.factor();
  }
  upscaling.back_projection = upscaling.entry.back_projection;
  if (options.fidelity) {
    upscaling.back_projection = static_cast<int>(std::lround(*options.fidelity * kRoundsAtFullFidelity));
  }
  upscaling.back_projection = options.back_projection.value_or(upscaling.back_projection);
  return upscaling;
}

MemoryPlan plan_pixel_memory(const ModelComponents& components, const PixelUpscaling& upscaling) {
  MemoryPlan plan{.size = upscaling.network_size};
  plan.bytes_per_pixel = kPixelMargin * estimate_bytes_per_pixel(upscaling.entry, components.placement().dtype);
  plan.tiled_bytes_per_pixel = 4.0 * 3 * 2;
  plan.resident_bytes = static_cast<std::int64_t>(kHeldBytesPerPixel * plan.pixels());
  plan.available =
      static_cast<std::int64_t>(kUsableMemory * static_cast<double>(available_memory(components.placement().device)));
  plan.in_strips = true;
  return plan;
}

torch::Tensor run_pixel_upscaler(ModelComponents& components, const PixelUpscaling& upscaling, torch::Tensor pixels,
                                 const TileOptions& tiles, const Hooks& hooks) {
  pixels = (pixels.clamp(-1, 1) + 1) / 2;
  for (std::int64_t i = 0; i < upscaling.passes; ++i) {
    pixels = pass_with_smaller_tiles(components, upscaling, i == 0 ? pixels : pixels.clamp(0, 1), tiles);
    if (hooks.progress) {
      hooks.progress("upscale", static_cast<int>(i) + 1, static_cast<int>(upscaling.passes));
    }
  }
  return pixels * 2 - 1;
}

}  // namespace fmboost
