#pragma once

#include <torch/types.h>

#include "fmboost/core/random.h"
#include "fmboost/model/components.h"

#include "data/pair_dataset.h"

namespace fmboost::test {

/// Three latent channels are the image at a quarter of its side.
class QuarterAutoencoder final : public Autoencoder {
 public:
  torch::Tensor encode(const torch::Tensor& pixels) override { return at::avg_pool2d(pixels, {4, 4}); }
  torch::Tensor decode(const torch::Tensor& latent) override {
    ++decoded;
    return at::upsample_nearest2d(latent, {latent.size(2) * 4, latent.size(3) * 4});
  }
  double bytes_per_pixel() const override { return 12; }
  int decoded = 0;
};

/// Latents of smooth noise; contexts that are off by 0.1; images that are off by 0.02, unless told otherwise.
class SmoothPairs final : public PairDataset {
 public:
  explicit SmoothPairs(std::size_t size, bool originals = true) : size_(size), originals_(originals) {}
  std::size_t size() const override { return size_; }
  LatentPair get(std::size_t index, std::uint64_t) const override {
    const torch::Tensor latent = latent_of(index);
    return {.key = "pair-" + std::to_string(index), .latent = latent, .context = latent + 0.1};
  }
  torch::Tensor original(std::size_t index, std::uint64_t) const override {
    return originals_ ? QuarterAutoencoder().decode(latent_of(index).unsqueeze(0)).squeeze(0) + 0.02 : torch::Tensor();
  }

 private:
  static torch::Tensor latent_of(std::size_t index) {
    at::Generator generator = cpu_generator(index);
    const std::int64_t width = index % 3 == 2 ? 8 : 6;  // two sizes
    return (gaussian_noise({3, 6, width}, generator) * 0.2).clamp(-0.7, 0.7);
  }

  std::size_t size_;
  bool originals_;
};

/// A field that depends on everything it is given.
inline torch::Tensor bent_velocity(const torch::Tensor& x, double t, const torch::Tensor& context) {
  return (context - x) * t;
}

}  // namespace fmboost::test
