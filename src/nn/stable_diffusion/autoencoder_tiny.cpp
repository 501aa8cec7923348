#include "nn/stable_diffusion/autoencoder_tiny.h"

#include <algorithm>

#include "nn/layers/layer_memory.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/run_layers.h"

namespace fmboost {

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

AutoencoderTinyImpl::AutoencoderTinyImpl(AutoencoderTinyOptions options)
    : options_(std::move(options)), layers_(std::make_shared<AutoencoderLayers>()) {
  options_.check();
  build_encoder();
  build_decoder();
}

void AutoencoderTinyImpl::build_encoder() {
  std::int64_t index = 0;
  const auto add = [&](auto layer) {
    layers_->encoder.emplace_back(layers::add(*this, "encoder.layers." + std::to_string(index++), layer));
  };
  const std::int64_t channels = options_.channels;
  layers_->encoder.emplace_back(Pointwise{[](const torch::Tensor& pixels) { return (pixels + 1) / 2; }});
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
  std::int64_t index = 0;  // layers without parameters count in the names
  const auto add = [&](auto layer) {
    layers_->decoder.emplace_back(layers::add(*this, "decoder.layers." + std::to_string(index++), layer));
  };
  const auto add_plain = [&](AutoencoderLayer layer) {
    layers_->decoder.push_back(std::move(layer));
    ++index;
  };
  const std::int64_t channels = options_.channels;
  const std::size_t levels = options_.num_decoder_blocks.size();
  layers_->decoder.emplace_back(Pointwise{[](const torch::Tensor& latent) { return torch::tanh(latent / 3) * 3; }});
  add(layers::Conv2d(options_.latent_channels, channels));
  add_plain(Pointwise{[](const torch::Tensor& x) { return torch::relu(x); }});
  for (std::size_t level = 0; level < levels; ++level) {
    for (std::int64_t i = 0; i < options_.num_decoder_blocks[level]; ++i) {
      add(TinyBlock(channels));
    }
    if (level + 1 < levels) {
      add_plain(NearestUpsample{});
      add(layers::Conv2d(channels, channels, layers::Conv2dOptions{.with_bias = false}));
    }
  }
  add(layers::Conv2d(channels, options_.out_channels));
  layers_->decoder.emplace_back(Pointwise{[](const torch::Tensor& x) { return x * 2 - 1; }});
}

torch::Tensor AutoencoderTinyImpl::encode(const torch::Tensor& pixels, const StripLimits* strips) const {
  return run_layers(layers_->encoder, pixels, strips);
}

torch::Tensor AutoencoderTinyImpl::decode(const torch::Tensor& latent, const StripLimits* strips) const {
  return run_layers(layers_->decoder, latent, strips);
}

double AutoencoderTinyImpl::peak_activations_per_pixel() const {
  const auto factor = static_cast<double>(options_.factor());
  return std::max(peak_activations(layers_->encoder, options_.in_channels),
                  peak_activations(layers_->decoder, options_.latent_channels) / (factor * factor));
}

}  // namespace fmboost
