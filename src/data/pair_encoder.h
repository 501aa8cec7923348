#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "fmboost/flow/coupling.h"
#include "fmboost/model/bundle.h"

#include "data/image_crops.h"

namespace fmboost {

/// Latents of large and small images, scaled, float32 on the CPU.
struct EncodedPairs {
  torch::Tensor latent;   ///< (B, C, H, W)
  torch::Tensor context;  ///< the same size for pixel-space upsampling, (B, C, h, w) otherwise
};

/// Turns pairs of images into pairs of latents. Safe to call from several threads; on a GPU they take turns.
class PairEncoder {
 public:
  /// pixel: the small image is upscaled (bilinear) and encoded. Upsamplings that work on latents (latent, latent_nearest,
  /// noise_upsampling): it is encoded as it is, and upscaled when it is used. Throws UsageError for identity.
  PairEncoder(std::shared_ptr<Autoencoder> autoencoder, AutoencoderEntry entry, Upsampling upsampling,
              Placement placement);
  /// Loads the bundle's autoencoder.
  PairEncoder(const Bundle& bundle, const Placement& placement, Upsampling upsampling);

  /// high (B, 3, H, W) and low (B, 3, h, w) in [-1, 1]. Throws Error when a latent is not finite.
  EncodedPairs encode(const torch::Tensor& high, const torch::Tensor& low) const;

  /// The inverse of the autoencoder's scaling: what shards store.
  torch::Tensor unscaled(const torch::Tensor& latent) const { return latent / entry_.scale + entry_.shift; }

  /// Throws UsageError when these sizes are no multiples of the autoencoder's factor.
  void check_sizes(const ImageCropOptions& crop) const;
  /// Throws MemoryError when a batch of large images of this side will not fit.
  void check_memory(std::int64_t side, std::int64_t batch_size) const;

  const AutoencoderEntry& autoencoder() const { return entry_; }
  Upsampling upsampling() const { return upsampling_; }
  const Placement& placement() const { return placement_; }

 private:
  std::shared_ptr<Autoencoder> autoencoder_;
  AutoencoderEntry entry_;
  Upsampling upsampling_;
  Placement placement_;
  mutable std::mutex gpu_;
};

}  // namespace fmboost
