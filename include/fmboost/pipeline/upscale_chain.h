#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/core/progress.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/flow/flow_solver.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// What a user may say about the flow; what is left open comes from the bundle's coupling.
struct FlowOptions {
  std::optional<int> steps;                     ///< solver steps from t = 0 to t = 1
  std::optional<std::string> solver;            ///< one of flow_solver_names()
  std::optional<DiffusionForm> diffusion_form;  ///< of the SDE solvers
  std::optional<double> diffusion_norm;         ///< of the SDE solvers: multiplies the diffusion form; at least 0
  std::optional<int> noising_step;              ///< of 1000; 0 and less: start from the context itself
  std::optional<Upsampling> upsampling;         ///< pixel or latent
  /// 0..1, from generative (the coupling's largest noise, no back-projection) to faithful (no noise, the most
  /// back-projection); noising_step and back_projection win over it. See resolve_coupling.
  std::optional<double> fidelity;
  std::optional<int> back_projection;  ///< rounds of back-projection onto what is upscaled

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// How large images are worked on in pieces. Native networks give the same image whatever the pieces: they work
/// strip by strip. The windows of TorchScript programs are blended where they overlap.
struct TileOptions {
  bool automatic = true;      ///< everything at once where it fits into memory, else pieces as large as fit
  std::int64_t size = 0;      ///< when not automatic: of pieces of size x size pixels; 0: everything at once
  std::int64_t overlap = 64;  ///< pixels that neighboring windows share at least

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// The coupling that a bundle uses for a factor: the first that applies to `source` (generated or external), with the
/// user's options applied. Throws ModelError if there is none. A fidelity F (for generated images also the coupling's
/// own) gives the noising step round((1 - F) noising_step_max), if the coupling was trained with several, and
/// round(F max(back_projection, 2)) rounds of back-projection. Without one, generated images get no back-projection.
CouplingEntry resolve_coupling(const Manifest& manifest, std::int64_t factor, const FlowOptions& options,
                               ImageSource source);

/// The factors of a bundle's couplings that apply to `source`.
std::vector<std::int64_t> coupling_factors(const Manifest& manifest, ImageSource source);

/// Watches what a stage makes: a name such as "context-0", "high_latent-0" and the tensor.
using IntermediateObserver = std::function<void(const std::string& name, const torch::Tensor& tensor)>;

/// What is upscaled: pixels always, and the latent they were decoded from where there is one in the same latent space.
struct UpscaleInput {
  torch::Tensor pixels;  ///< (1, 3, H, W) float32, about [-1, 1]
  torch::Tensor latent;  ///< scaled, or undefined
};

/// The upscaling half of the pipeline: couplings run one after the other on one image.
class UpscaleChain {
 public:
  /// `parts` must outlive it.
  UpscaleChain(ModelComponents& components, FlowOptions flow, TileOptions tiles, ImageSource source);

  /// Runs the couplings of the given factors. The last one makes exactly `target` when given, else the product's size.
  /// `seed` is the image's: every coupling draws from a generator of its own, one field for the whole image.
  /// Returns pixels (1, 3, H, W) float32 on the CPU, not clamped.
  torch::Tensor run(const UpscaleInput& input, const std::vector<std::int64_t>& factors, std::optional<Size> target,
                    std::uint64_t seed, const ProgressCallback& progress = {},
                    const IntermediateObserver& observer = {});

  /// Rounds of back-projection onto the input that the last of these couplings asks for; run() does none itself.
  int back_projection(const std::vector<std::int64_t>& factors) const;

  /// Loads the autoencoder to weigh what upscaling to `size` takes. Throws MemoryError with the figures when not even
  /// the smallest pieces fit.
  void check_memory(const Size& size);

 private:
  torch::Tensor run_coupling(const UpscaleInput& input, const CouplingEntry& coupling, const Size& target, int index,
                             std::uint64_t seed, const ProgressCallback& progress,
                             const IntermediateObserver& observer);

  ModelComponents& components_;
  FlowOptions flow_;
  TileOptions tiles_;
  ImageSource source_;
};

}  // namespace fmboost
