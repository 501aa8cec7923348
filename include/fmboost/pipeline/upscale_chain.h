#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/core/progress.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost {

/// What a user may say about the flow; what is left open comes from the bundle's coupling.
struct FlowOptions {
  std::optional<int> steps;              ///< solver steps from t = 0 to t = 1
  std::optional<std::string> solver;     ///< euler, midpoint, rk4, heun3, dopri5 or bosh3
  std::optional<int> noising_step;       ///< of 1000; 0 and less: start from the context itself
  std::optional<Upsampling> upsampling;  ///< psu or lsu
  /// 0..1, from generative (the coupling's largest noise, no back-projection) to faithful (no noise, the most
  /// back-projection); noising_step and back_projection win over it. See resolve_coupling.
  std::optional<double> fidelity;
  std::optional<int> back_projection;  ///< rounds of back-projection onto what is enlarged
  bool generated = false;              ///< what is enlarged was drawn by a model
  bool own = false;                    ///< and by the denoiser that the couplings' bundle has

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// How large pictures are worked on in pieces. Native networks give the same picture whatever the pieces: they work
/// strip by strip. The windows of TorchScript programs are blended where they overlap.
struct TileOptions {
  bool automatic = true;      ///< everything at once where it fits into memory, else pieces as large as fit
  std::int64_t size = 0;      ///< when not automatic: of pieces of size x size pixels; 0: everything at once
  std::int64_t overlap = 64;  ///< pixels that neighbouring windows share at least

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// The coupling that a bundle uses for a factor, the first that enlarges such pictures, with a user's wishes put in.
/// Throws ModelError where there is none. A fidelity F (of generated pictures also the coupling's own) gives the
/// noising step round((1 - F) noising_step_max), where the coupling was trained with several, and round(F
/// max(back_projection, 2)) rounds of back-projection. Without one, generated pictures get none.
CouplingEntry resolve_coupling(const Manifest& manifest, std::int64_t factor, const FlowOptions& options);

/// The factors of a bundle's couplings that enlarge what its own denoiser has drawn, or other pictures.
std::vector<std::int64_t> coupling_factors(const Manifest& manifest, bool own);

/// Watches what a stage makes: a name such as "context-0", "high_latent-0" and the tensor.
using IntermediateObserver = std::function<void(const std::string& name, const torch::Tensor& tensor)>;

/// What is enlarged: pixels always, and the latent they were decoded from where there is one in the same latent space.
struct BoostInput {
  torch::Tensor pixels;  ///< (1, 3, H, W) float32, about [-1, 1]
  torch::Tensor latent;  ///< scaled, or undefined
};

/// The enlarging half of the pipeline: couplings run one after the other on one picture.
class Booster {
 public:
  /// `parts` must outlive it.
  Booster(ModelParts& parts, FlowOptions flow, TileOptions tiles);

  /// Runs the couplings of the given factors. The last one makes exactly `target` when given, else the product's size.
  /// `seed` is the picture's: every coupling draws from a generator of its own, one field for the whole picture.
  /// Returns pixels (1, 3, H, W) float32 on the CPU, not clamped.
  torch::Tensor run(const BoostInput& input, const std::vector<std::int64_t>& factors, std::optional<Size> target,
                    std::uint64_t seed, const ProgressCallback& progress = {},
                    const IntermediateObserver& observer = {});

  /// Rounds of back-projection onto the input that the last of these couplings asks for; run() does none itself.
  int back_projection(const std::vector<std::int64_t>& factors) const;

  /// Loads the autoencoder to weigh what enlarging to `size` takes. Throws MemoryError with the figures when not even
  /// the smallest pieces fit.
  void check_memory(const Size& size);

 private:
  torch::Tensor run_coupling(const BoostInput& input, const CouplingEntry& coupling, const Size& target, int index,
                             std::uint64_t seed, const ProgressCallback& progress,
                             const IntermediateObserver& observer);

  ModelParts& parts_;
  FlowOptions flow_;
  TileOptions tiles_;
};

}  // namespace fmboost
