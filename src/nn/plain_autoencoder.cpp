#include "plain_autoencoder.h"

#include "option_checks.h"

namespace fmboost {

void PlainAutoencoderOptions::check() const {
  const OptionChecks checks("PlainAutoencoder configuration");
  checks.size("latent_channels", latent_channels);
  checks.size("encoder_channels", encoder_channels);
  checks.size("encoder_blocks", encoder_blocks, checks.kMostLayers);
  checks.size("decoder_channels", decoder_channels);
  checks.size("decoder_blocks", decoder_blocks, checks.kMostLayers);
  checks.size("fine_channels", fine_channels);
  checks.size("fine_blocks", fine_blocks, checks.kMostLayers);
}

PlainAutoencoderImpl::PlainAutoencoderImpl(PlainAutoencoderOptions options) {
  options.check();
  const std::int64_t latent = options.latent_channels;
  const auto add = [&](const char* name, std::int64_t in, std::int64_t out) {
    return layers::add(*this, name, layers::Conv2d(in, out));
  };
  encoder_in_ = add("encoder.conv_in", 3 * options.factor() * options.factor(), options.encoder_channels);
  encoder_blocks_ = add_blocks("encoder.blocks", options.encoder_channels, options.encoder_blocks);
  encoder_out_ = add("encoder.conv_out", options.encoder_channels, latent);
  decoder_in_ = add("decoder.conv_in", latent, options.decoder_channels);
  decoder_blocks_ = add_blocks("decoder.blocks", options.decoder_channels, options.decoder_blocks);
  decoder_up_ = add("decoder.conv_up", options.decoder_channels, 4 * options.fine_channels);
  fine_blocks_ = add_blocks("decoder.fine_blocks", options.fine_channels, options.fine_blocks);
  decoder_out_ = add("decoder.conv_out", options.fine_channels, 4 * 3);
}

std::vector<PlainAutoencoderImpl::Block> PlainAutoencoderImpl::add_blocks(const std::string& name,
                                                                          std::int64_t channels, std::int64_t count) {
  std::vector<Block> blocks;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string block = name + "." + std::to_string(i);
    blocks.push_back({layers::add(*this, block + ".conv1", layers::Conv2d(channels, channels)),
                      layers::add(*this, block + ".conv2", layers::Conv2d(channels, channels))});
  }
  return blocks;
}

torch::Tensor PlainAutoencoderImpl::run(const std::vector<Block>& blocks, torch::Tensor x) {
  for (const auto& block : blocks) {
    x = block.conv2->forward(torch::relu(block.conv1->forward(torch::relu(x)))).add_(x);
  }
  return x;
}

torch::Tensor PlainAutoencoderImpl::encode(const torch::Tensor& pixels) const {
  const torch::Tensor sites = torch::pixel_unshuffle(pixels, PlainAutoencoderOptions::factor());
  return encoder_out_->forward(run(encoder_blocks_, encoder_in_->forward(sites)));
}

torch::Tensor PlainAutoencoderImpl::decode(const torch::Tensor& latent) const {
  const torch::Tensor h = run(decoder_blocks_, decoder_in_->forward(latent));
  const torch::Tensor fine = run(fine_blocks_, torch::pixel_shuffle(decoder_up_->forward(h), 2));
  return torch::pixel_shuffle(decoder_out_->forward(fine), 2);
}

}  // namespace fmboost
