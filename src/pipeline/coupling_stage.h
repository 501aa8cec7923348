#pragma once

#include "fmboost/image/resize.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "pipeline/tile_plan.h"

namespace fmboost {

/// One coupling on one picture: context from the enlarged pixels or latent, the noised start, the flow, the decoder.
/// The picture is padded by reflection on all sides, so that zero padding inside the networks stays outside of it.
class CouplingStage {
 public:
  CouplingStage(ModelParts& parts, CouplingEntry coupling, std::uint64_t noise_seed, int index);

  void watch(ProgressCallback progress, IntermediateObserver observer);

  /// Enlarges and pads; draws the noise. `pieces_for`: how to work on a picture of a size.
  using PiecesFor = std::function<std::optional<Pieces>(const Size&)>;
  void prepare(const BoostInput& input, const Size& target, const PiecesFor& pieces_for);

  /// The padded picture's size in pixels.
  Size padded_size() const { return padded_; }

  /// Returns the target's pixels, (1, 3, H, W) float32 on the CPU. The flow is that of the whole picture, whatever the
  /// pieces.
  torch::Tensor run(const std::optional<Pieces>& pieces, torch::ScalarType dtype);

 private:
  void prepare_pixels(const torch::Tensor& pixels, const Size& target);
  void prepare_latent(const BoostInput& input, const Size& target, const PiecesFor& pieces_for);
  torch::Tensor encode(const torch::Tensor& pixels, const PiecesFor& pieces_for);
  void choose_margins(const Size& covered, const Size& target);
  torch::Tensor flow(const torch::Tensor& context, VelocityNetwork& network, const StripLimits* strips) const;
  void report(const std::string& name, const torch::Tensor& tensor) const;

  ModelParts& parts_;
  CouplingEntry coupling_;
  std::uint64_t noise_seed_;
  int index_;
  std::int64_t factor_;  ///< of the autoencoder
  std::int64_t unit_;    ///< that the padded sides are multiples of
  ProgressCallback progress_;
  IntermediateObserver observer_;
  Margins margins_;
  Size padded_;
  torch::Tensor enlarged_pixels_;  ///< padded; for psu
  torch::Tensor enlarged_latent_;  ///< padded; for the other upsamplings
  torch::Tensor noise_;
};

}  // namespace fmboost
