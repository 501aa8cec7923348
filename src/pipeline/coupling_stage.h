#pragma once

#include "fmboost/image/resize.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tile_plan.h"

namespace fmboost {

/// Everything that a coupling needs to run on one image.
struct PreparedCoupling {
  Size target;                     ///< of the result, in pixels
  Size padded;                     ///< of the padded image, in pixels
  Margins margins;                 ///< around the target within the padded image
  torch::Tensor upsampled_pixels;  ///< padded; for pixel upsampling
  torch::Tensor upsampled_latent;  ///< padded; for latent upsampling
  torch::Tensor noise;             ///< for the padded latent, on the CPU
  std::uint64_t noise_seed = 0;    ///< of the noise above, and of that of stochastic solvers
  MemoryPlan memory;               ///< of the padded image
  std::optional<TilePlan> tiles;   ///< none: no tiling
};

/// One coupling: context from the upscaled pixels or latent, the noised start, the flow, the decoder. The image is
/// padded by reflection on all sides, so that zero padding inside the networks stays outside the result.
class CouplingStage {
 public:
  /// `components` must outlive it. `index`: position of the coupling in its chain.
  CouplingStage(ModelComponents& components, CouplingEntry coupling, int index, TileOptions tiles, Hooks hooks);

  /// Upsamples and pads to `target`, draws the noise and plans the memory. Throws UsageError if a latent upsampling
  /// cannot reach the target.
  PreparedCoupling prepare(const UpscaleInput& input, const Size& target, std::uint64_t noise_seed) const;

  /// Returns the target's pixels, (1, 3, H, W) float32 on the CPU. The flow is that of the whole image with any tiling.
  torch::Tensor run(const PreparedCoupling& prepared, torch::ScalarType dtype) const;

 private:
  void prepare_pixels(PreparedCoupling& prepared, const torch::Tensor& pixels, const Size& target) const;
  void prepare_latent(PreparedCoupling& prepared, const UpscaleInput& input, const Size& target,
                      std::uint64_t noise_seed) const;
  torch::Tensor encode(const torch::Tensor& pixels) const;
  torch::Tensor context(const PreparedCoupling& prepared, const TiledAutoencoder& autoencoder) const;
  torch::Device device() const { return components_.placement().device; }
  void choose_margins(PreparedCoupling& prepared, const Size& covered, const Size& target) const;
  GaussianStart gaussian_start(const torch::Tensor& context, const torch::Tensor& noise) const;
  torch::Tensor flow(const PreparedCoupling& prepared, const torch::Tensor& context, VelocityNetwork& network) const;
  void report(const std::string& name, const torch::Tensor& tensor) const;

  ModelComponents& components_;
  CouplingEntry coupling_;
  int index_;
  TileOptions tiles_;
  Hooks hooks_;
  std::int64_t factor_;  ///< of the autoencoder
  std::int64_t unit_;    ///< the padded sides are multiples of it
};

}  // namespace fmboost
