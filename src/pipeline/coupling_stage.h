#pragma once

#include "fmboost/image/resize.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tile_plan.h"

namespace fmboost {

/// One coupling on one image: context from the upscaled pixels or latent, the noised start, the flow, the decoder.
/// The image is padded by reflection on all sides, so that zero padding inside the networks stays outside of it.
class CouplingStage {
 public:
  CouplingStage(ModelComponents& components, CouplingEntry coupling, std::uint64_t noise_seed, int index);

  void watch(ProgressCallback progress, IntermediateObserver observer);

  /// Upscales and pads; draws the noise. `tiles_for`: how to work on an image of a size.
  using TilesFor = std::function<std::optional<TilePlan>(const Size&)>;
  void prepare(const UpscaleInput& input, const Size& target, const TilesFor& tiles_for);

  /// The padded image's size in pixels.
  Size padded_size() const { return padded_; }

  /// Returns the target's pixels, (1, 3, H, W) float32 on the CPU. The flow is that of the whole image, whatever the
  /// pieces.
  torch::Tensor run(const std::optional<TilePlan>& pieces, torch::ScalarType dtype);

 private:
  void prepare_pixels(const torch::Tensor& pixels, const Size& target);
  void prepare_latent(const UpscaleInput& input, const Size& target, const TilesFor& tiles_for);
  torch::Tensor encode(const torch::Tensor& pixels, const TilesFor& tiles_for);
  void choose_margins(const Size& covered, const Size& target);
  GaussianStart gaussian_start(const torch::Tensor& context, const torch::Tensor& noise) const;
  torch::Tensor flow(const torch::Tensor& context, VelocityNetwork& network, const StripLimits* strips) const;
  void report(const std::string& name, const torch::Tensor& tensor) const;

  ModelComponents& components_;
  CouplingEntry coupling_;
  std::uint64_t noise_seed_;
  int index_;
  std::int64_t factor_;  ///< of the autoencoder
  std::int64_t unit_;    ///< that the padded sides are multiples of
  ProgressCallback progress_;
  IntermediateObserver observer_;
  Margins margins_;
  Size padded_;
  torch::Tensor upsampled_pixels_;  ///< padded; for pixel
  torch::Tensor upsampled_latent_;  ///< padded; for the other upsamplings
  torch::Tensor noise_;
};

}  // namespace fmboost
