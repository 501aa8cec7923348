#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// One sample that a coupling is trained on: the latent of the image and what the low-resolution one gives of it.
/// Both are scaled, (latent - shift) * scale, float32 on the CPU.
struct LatentPair {
  std::string key;        ///< names the sample in messages
  torch::Tensor latent;   ///< x1: (C, H, W)
  torch::Tensor context;  ///< (C, H, W) for pixel-space upsampling, (C, h, w) with H = factor h for latent-space
};

/// Pairs by number. Implementations are safe to call from several threads at once.
class PairDataset {
 public:
  virtual ~PairDataset() = default;

  virtual std::size_t size() const = 0;

  /// `seed` decides everything that is random about this sample (its crop, its flip): the same index and seed give the
  /// same pair. Throws Error naming the file of a sample that cannot be read.
  virtual LatentPair get(std::size_t index, std::uint64_t seed) const = 0;

  /// The pixels that the pair's latent was made of, (3, H, W) float32 in [-1, 1]; undefined where they are not kept.
  virtual torch::Tensor original(std::size_t /*index*/, std::uint64_t /*seed*/) const { return {}; }
};

/// Pairs stacked for one step.
struct LatentBatch {
  std::vector<std::string> keys;
  torch::Tensor latent;               ///< (B, C, H, W)
  torch::Tensor context;              ///< (B, C, H, W) or (B, C, h, w)
  std::vector<std::int64_t> numbers;  ///< the samples' places in the run's one order, all processes counted, from 0
};

}  // namespace fmboost
