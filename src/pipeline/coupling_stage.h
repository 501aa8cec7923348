#pragma once

#include "fmboost/image/resize.h"
#include "fmboost/pipeline/boost.h"
#include "fmboost/pipeline/tiles.h"

namespace fmboost {

/// One coupling on one picture: context from the enlarged pixels or latent, the noised start, the flow, the decoder.
/// The picture is padded by reflection on all sides, so that zero padding inside the networks stays outside of it.
class CouplingStage {
 public:
  CouplingStage(ModelParts& parts, CouplingEntry coupling, std::uint64_t noise_seed, int index);

  void watch(ProgressCallback progress, IntermediateObserver observer);

  /// Enlarges and pads; draws the noise, one field for the whole picture whatever the windows.
  void prepare(const BoostInput& input, const Size& target);

  /// The padded picture's size in pixels; its sides are multiples of unit().
  Size padded_size() const { return padded_; }
  std::int64_t unit() const { return unit_; }

  /// Runs it in windows of `side` pixels and returns the target's pixels, (1, 3, H, W) float32 on the CPU.
  torch::Tensor run(std::int64_t side, std::int64_t overlap, torch::ScalarType dtype);

 private:
  void prepare_pixels(const torch::Tensor& pixels, const Size& target);
  void prepare_latent(const BoostInput& input, const Size& target);
  void choose_margins(const Size& covered, const Size& target);
  torch::Tensor context_of(const Window& window, Autoencoder& autoencoder) const;
  torch::Tensor flow(const torch::Tensor& context, const Window& window, VelocityNetwork& network,
                     std::int64_t window_index, std::int64_t window_count) const;
  void report(const std::string& name, const torch::Tensor& tensor) const;

  ModelParts& parts_;
  CouplingEntry coupling_;
  std::uint64_t noise_seed_;
  int index_;
  std::int64_t factor_;  ///< of the autoencoder
  std::int64_t unit_;
  ProgressCallback progress_;
  IntermediateObserver observer_;
  Margins margins_;
  Size padded_;
  torch::Tensor enlarged_pixels_;  ///< padded; for psu
  torch::Tensor enlarged_latent_;  ///< padded; for the other upsamplings
  torch::Tensor noise_;
};

}  // namespace fmboost
