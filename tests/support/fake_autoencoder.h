#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <torch/types.h>

#include "fmboost/image/encode.h"
#include "fmboost/io/files.h"
#include "fmboost/model/components.h"

#include "data/images/pair_encoder.h"

namespace fmboost::test {

/// Latents of four channels, three the means of 8x8 pixels and one their product: quick, and different everywhere.
class FakeAutoencoder final : public Autoencoder {
 public:
  static AutoencoderEntry entry() {
    AutoencoderEntry entry;
    entry.encoder.sha256 = std::string(64, 'a');
    entry.factor = 8;
    entry.latent_channels = 4;
    entry.scale = 0.5;
    entry.shift = 0.25;
    return entry;
  }
  static std::shared_ptr<PairEncoder> encoder(Upsampling upsampling = Upsampling::pixel) {
    return std::make_shared<PairEncoder>(std::make_shared<FakeAutoencoder>(), entry(), upsampling, Placement{});
  }

  /// What the encoder's program would give: not scaled.
  static torch::Tensor mode(const torch::Tensor& pixels) {
    const torch::Tensor means = at::avg_pool2d(pixels, {8, 8});
    return torch::cat({means, means.prod(1, true)}, 1);
  }
  torch::Tensor encode(const torch::Tensor& pixels) override {
    ++calls;
    return (mode(pixels) - entry().shift) * entry().scale;
  }
  torch::Tensor decode(const torch::Tensor& latent) override { return latent; }
  double bytes_per_pixel() const override { return 64; }

  inline static std::atomic<int> calls = 0;
};

/// Writes an image of noise whose values are whole bytes, and returns its pixels.
inline torch::Tensor write_image(const std::filesystem::path& file, std::int64_t width, std::int64_t height,
                                 std::uint64_t seed) {
  torch::manual_seed(seed);
  Image image;
  image.pixels = torch::randint(0, 256, {3, height, width}).to(torch::kFloat32) / 127.5 - 1;
  std::filesystem::create_directories(file.parent_path());
  EncodeOptions encoding;
  encoding.format = image_format_from_suffix(file);
  write_file_atomically(file, encode_image(image, encoding));
  return image.pixels;
}

}  // namespace fmboost::test
