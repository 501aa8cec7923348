#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// One training sample: the latent of an image and the context made from its low-resolution version. Both are scaled,
/// (latent - shift) * scale, float32 on the CPU.
struct LatentPair {
  std::string key;        ///< identifies the sample in messages
  torch::Tensor latent;   ///< x1: (C, H, W)
  torch::Tensor context;  ///< (C, H, W) for pixel-space upsampling, (C, h, w) with H = factor h for latent-space
};

/// Pairs by index. Implementations are thread-safe.
class PairDataset {
 public:
  virtual ~PairDataset() = default;

  virtual std::size_t size() const = 0;

  /// `seed` determines everything random about the sample (its crop and flip): the same index and seed give the same
  /// pair. Throws Error naming the file of a sample that cannot be read.
  virtual LatentPair get(std::size_t index, std::uint64_t seed) const = 0;

  /// The pixels from which the pair's latent was made, (3, H, W) float32 in [-1, 1]; undefined if they are not kept.
  virtual torch::Tensor original(std::size_t /*index*/, std::uint64_t /*seed*/) const { return {}; }
};

/// The pairs of one step.
struct LatentBatch {
  std::vector<std::string> keys;
  torch::Tensor latent;               ///< (B, C, H, W)
  torch::Tensor context;              ///< (B, C, H, W) or (B, C, h, w)
  std::vector<std::int64_t> numbers;  ///< the samples' positions in the run's order over all processes, from 0
};

}  // namespace fmboost
