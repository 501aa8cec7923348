#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/flow/coupling.h"
#include "fmboost/flow/flow_solver.h"
#include "fmboost/pipeline/hooks.h"
#include "fmboost/pipeline/memory_plan.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/pixel_upscaling.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// Options of the flow; those left open come from the bundle's coupling.
struct FlowOptions {
  std::optional<int> steps;                     ///< solver steps from t = 0 to t = 1
  std::optional<std::string> solver;            ///< one of flow_solver_names()
  std::optional<DiffusionForm> diffusion_form;  ///< of the SDE solvers
  std::optional<double> diffusion_norm;         ///< of the SDE solvers: multiplies the diffusion form; at least 0
  std::optional<int> noising_step;              ///< of 1000; 0 or less: start from the context itself
  std::optional<Upsampling> upsampling;         ///< pixel or latent
  /// 0..1, from generative (the coupling's largest noise, no back-projection) to faithful (no noise, the most
  /// back-projection); noising_step and back_projection override it. See resolve_coupling.
  std::optional<double> fidelity;
  std::optional<int> back_projection;  ///< rounds of back-projection onto the input image

  /// Throws UsageError naming the option that is out of range.
  void check() const;
};

/// The coupling that a bundle uses for a factor: the first that applies to `source` (generated or external), with the
/// options applied. Throws ModelError if there is none. A fidelity F (for generated images, also the coupling's own)
/// sets the noising step to round((1 - F) noising_step_max), if the coupling was trained with several, and
/// back-projection to round(F max(back_projection, 2)) rounds. Without one, generated images get no back-projection.
CouplingEntry resolve_coupling(const Manifest& manifest, std::int64_t factor, const FlowOptions& options,
                               ImageSource source);

/// The couplings of several factors, in order.
std::vector<CouplingEntry> resolve_couplings(const Manifest& manifest, const std::vector<std::int64_t>& factors,
                                             const FlowOptions& options, ImageSource source);

/// The factors of a bundle's couplings that apply to `source`.
std::vector<std::int64_t> coupling_factors(const Manifest& manifest, ImageSource source);

/// How the result of a chain of couplings gets its exact size.
enum class SizeFit {
  scale,  ///< the last coupling upscales to exactly that size
  crop    ///< every coupling upscales by its factor, and the center of the result is cut out
};

/// Upscaling of one image with everything decided.
struct UpscalePlan {
  std::vector<CouplingEntry> couplings;  ///< resolved, in the order in which they run
  Size size;                             ///< of the result
  SizeFit fit = SizeFit::scale;
  MemoryPlan memory;  ///< of the result
  std::optional<PixelUpscaling> pixel_upscaling = std::nullopt;  ///< instead of couplings

  /// Rounds onto the input image.
  int back_projection() const {
    return pixel_upscaling ? pixel_upscaling->back_projection : couplings.empty() ? 0 : couplings.back().back_projection;
  }
};

/// An image to upscale: always pixels, and the latent they were decoded from if it belongs to the same latent space.
struct UpscaleInput {
  torch::Tensor pixels;  ///< (1, 3, H, W) float32, about [-1, 1]
  torch::Tensor latent;  ///< scaled, or undefined
};

/// The upscaling half of the pipeline: runs couplings one after another on one image, projects the result back onto
/// the input and gives it its exact size.
class UpscaleChain {
 public:
  /// `components` must outlive it. Throws UsageError if the options are out of range.
  UpscaleChain(ModelComponents& components, TileOptions tiles);

  /// `seed` is the image's: every coupling draws from a generator of its own, one noise field for the whole image.
  /// Back-projection has as many rounds as the last coupling asks for. If the plan's memory is incomplete, it is
  /// completed and checked before any work (MemoryError). Returns pixels (1, 3, H, W) float32 on the CPU, not clamped.
  torch::Tensor run(const UpscalePlan& plan, const UpscaleInput& input, std::uint64_t seed, const Hooks& hooks = {});

 private:
  ModelComponents& components_;
  TileOptions tiles_;
};

}  // namespace fmboost
