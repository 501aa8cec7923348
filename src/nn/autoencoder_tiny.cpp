#include "fmboost/nn/autoencoder_tiny.h"

#include "layers.h"
#include "option_checks.h"

#include <algorithm>

namespace fmboost {
namespace {

/// Three convolutions beside a skip, ReLUs between and behind.
class TinyBlockImpl : public torch::nn::Module {
 public:
  explicit TinyBlockImpl(std::int64_t channels) {
    conv0_ = layers::add(*this, "conv.0", layers::Conv2d(channels, channels));
    conv2_ = layers::add(*this, "conv.2", layers::Conv2d(channels, channels));
    conv4_ = layers::add(*this, "conv.4", layers::Conv2d(channels, channels));
  }
  torch::Tensor forward(const torch::Tensor& x) const {
    const torch::Tensor h = torch::relu(conv2_->forward(torch::relu(conv0_->forward(x))));
    return torch::relu(conv4_->forward(h) + x);
  }

 private:
  layers::Conv2d conv0_ = nullptr, conv2_ = nullptr, conv4_ = nullptr;
};
TORCH_MODULE(TinyBlock);

torch::Tensor enlarge(const torch::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

}  // namespace

void AutoencoderTinyOptions::check() const {
  const OptionChecks checks("AutoencoderTiny configuration");
  checks.levels("num_encoder_blocks", num_encoder_blocks.size());
  checks.sizes("num_encoder_blocks", num_encoder_blocks, num_encoder_blocks.size(), checks.kMostLayers);
  checks.sizes("num_decoder_blocks", num_decoder_blocks, num_encoder_blocks.size(), checks.kMostLayers);
  checks.size("in_channels", in_channels);
  checks.size("out_channels", out_channels);
  checks.size("latent_channels", latent_channels);
  checks.size("encoder_block_out_channels", channels);
}

AutoencoderTinyImpl::AutoencoderTinyImpl(AutoencoderTinyOptions options) : options_(std::move(options)) {
  options_.check();
  build_encoder();
  build_decoder();
}

void AutoencoderTinyImpl::build_encoder() {
  const auto add = [&](auto layer) {
    const std::string name = "encoder.layers." + std::to_string(encoder_.size());
    encoder_.emplace_back([layer = layers::add(*this, name, layer)](const auto& x) { return layer->forward(x); });
  };
  const std::int64_t channels = options_.channels;
  for (std::size_t level = 0; level < options_.num_encoder_blocks.size(); ++level) {
    add(level == 0 ? layers::Conv2d(options_.in_channels, channels)
                   : layers::Conv2d(channels, channels, layers::Conv2dOptions{.stride = 2, .with_bias = false}));
    for (std::int64_t i = 0; i < options_.num_encoder_blocks[level]; ++i) {
      add(TinyBlock(channels));
    }
  }
  add(layers::Conv2d(channels, options_.latent_channels));
}

void AutoencoderTinyImpl::build_decoder() {
  const auto add = [&](auto layer) {
    const std::string name = "decoder.layers." + std::to_string(decoder_.size());
    decoder_.emplace_back([layer = layers::add(*this, name, layer)](const auto& x) { return layer->forward(x); });
  };
  const std::int64_t channels = options_.channels;
  const std::size_t levels = options_.num_decoder_blocks.size();
  add(layers::Conv2d(options_.latent_channels, channels));
  decoder_.emplace_back([](const torch::Tensor& x) { return torch::relu(x); });
  for (std::size_t level = 0; level < levels; ++level) {
    for (std::int64_t i = 0; i < options_.num_decoder_blocks[level]; ++i) {
      add(TinyBlock(channels));
    }
    if (level + 1 < levels) {
      decoder_.emplace_back(enlarge);
      add(layers::Conv2d(channels, channels, layers::Conv2dOptions{.with_bias = false}));
    }
  }
  add(layers::Conv2d(channels, options_.out_channels));
}

torch::Tensor AutoencoderTinyImpl::encode(const torch::Tensor& pixels) const {
  torch::Tensor x = (pixels + 1) / 2;
  for (const auto& layer : encoder_) {
    x = layer(x);
  }
  return x;
}

torch::Tensor AutoencoderTinyImpl::decode(const torch::Tensor& latent) const {
  torch::Tensor x = torch::tanh(latent / 3) * 3;
  for (const auto& layer : decoder_) {
    x = layer(x);
  }
  return x * 2 - 1;
}

}  // namespace fmboost
