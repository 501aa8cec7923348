#include "nn/default_model/conv_autoencoder.h"

#include <algorithm>

#include "nn/layers/layer_memory.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/run_layers.h"

namespace fmboost {

void ConvAutoencoderOptions::check() const {
  const OptionChecks checks("ConvAutoencoder configuration");
  checks.size("latent_channels", latent_channels);
  checks.size("encoder_channels", encoder_channels);
  checks.size("encoder_blocks", encoder_blocks, checks.kMostLayers);
  checks.size("decoder_channels", decoder_channels);
  checks.size("decoder_blocks", decoder_blocks, checks.kMostLayers);
  checks.size("fine_channels", fine_channels);
  checks.size("fine_blocks", fine_blocks, checks.kMostLayers);
}

ConvAutoencoderImpl::ConvAutoencoderImpl(ConvAutoencoderOptions options) : latent_channels_(options.latent_channels) {
  options.check();
  build_encoder(options);
  build_decoder(options);
}

void ConvAutoencoderImpl::add_convolution(LayerList& list, const std::string& name, std::int64_t in, std::int64_t out) {
  list.emplace_back(layers::add(*this, name, layers::Conv2d(in, out)));
}

void ConvAutoencoderImpl::add_blocks(LayerList& list, const std::string& name, std::int64_t channels,
                                     std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    list.emplace_back(layers::add(*this, name + "." + std::to_string(i), PlainBlock(channels)));
  }
}

void ConvAutoencoderImpl::build_encoder(const ConvAutoencoderOptions& options) {
  LayerList& list = layers_.encoder;
  const std::int64_t factor = ConvAutoencoderOptions::factor();
  list.emplace_back(PixelUnshuffle{factor});
  add_convolution(list, "encoder.conv_in", 3 * factor * factor, options.encoder_channels);
  add_blocks(list, "encoder.blocks", options.encoder_channels, options.encoder_blocks);
  add_convolution(list, "encoder.conv_out", options.encoder_channels, options.latent_channels);
}

void ConvAutoencoderImpl::build_decoder(const ConvAutoencoderOptions& options) {
  LayerList& list = layers_.decoder;
  add_convolution(list, "decoder.conv_in", options.latent_channels, options.decoder_channels);
  add_blocks(list, "decoder.blocks", options.decoder_channels, options.decoder_blocks);
  add_convolution(list, "decoder.conv_up", options.decoder_channels, 4 * options.fine_channels);
  list.emplace_back(PixelShuffle{2});
  add_blocks(list, "decoder.fine_blocks", options.fine_channels, options.fine_blocks);
  add_convolution(list, "decoder.conv_out", options.fine_channels, 4 * 3);
  list.emplace_back(PixelShuffle{2});
}

torch::Tensor ConvAutoencoderImpl::encode(const torch::Tensor& pixels, const StripLimits* strips) const {
  return run_layers(layers_.encoder, pixels, strips);
}

torch::Tensor ConvAutoencoderImpl::decode(const torch::Tensor& latent, const StripLimits* strips) const {
  return run_layers(layers_.decoder, latent, strips);
}

double ConvAutoencoderImpl::peak_activations_per_pixel() const {
  const auto factor = static_cast<double>(ConvAutoencoderOptions::factor());
  return std::max(peak_activations(layers_.encoder, 3),
                  peak_activations(layers_.decoder, latent_channels_) / (factor * factor));
}

}  // namespace fmboost
