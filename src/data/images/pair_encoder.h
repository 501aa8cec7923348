#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "fmboost/flow/coupling.h"
#include "fmboost/model/bundle.h"

#include "data/images/image_crops.h"

namespace fmboost {

/// Latents of large and small squares, scaled, float32 on the CPU.
struct EncodedPairs {
  torch::Tensor latent;   ///< (B, C, H, W)
  torch::Tensor context;  ///< the same size for pixel-space upsampling, (B, C, h, w) otherwise
};

/// Encodes pairs of images. Thread-safe; on a GPU one call runs at a time.
class PairEncoder {
 public:
  /// pixel: the small image is upscaled (bilinear) and encoded. Upsamplings in latent space (latent, latent_nearest,
  /// noise_upsampling): it is encoded as it is, and training upscales the latent. Throws UsageError for identity.
  PairEncoder(std::shared_ptr<Autoencoder> autoencoder, AutoencoderEntry entry, Upsampling upsampling,
              Placement placement);
  /// Loads the bundle's autoencoder. Throws ModelError if it has none.
  PairEncoder(const Bundle& bundle, const Placement& placement, Upsampling upsampling);

  /// high (B, 3, H, W) and low (B, 3, h, w) in [-1, 1]. Throws Error if a latent is not finite.
  EncodedPairs encode(const torch::Tensor& high, const torch::Tensor& low) const;

  /// Inverts the autoencoder's scaling. Shards store unscaled latents.
  torch::Tensor unscaled(const torch::Tensor& latent) const { return latent / entry_.scale + entry_.shift; }

  /// Throws UsageError if the sizes are not multiples of the autoencoder's factor.
  void check_sizes(const ImageCropOptions& crop) const;
  /// Throws MemoryError if a batch of images with this side does not fit into memory.
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
