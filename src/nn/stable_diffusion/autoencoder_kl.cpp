#include "nn/stable_diffusion/autoencoder_kl.h"

#include <algorithm>

#include "nn/layers/layer_memory.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/run_layers.h"

namespace fmboost {
namespace {

constexpr double kEps = 1e-6;
constexpr layers::Conv2dOptions kSinglePixel{.kernel = 1, .padding = 0};

// Appends layers and registers them under their names in the module.
class LayerBuilder {
 public:
  LayerBuilder(torch::nn::Module& module, LayerList& list, NormOptions norm)
      : module_(module), list_(list), norm_(norm) {}

  template <typename Holder>
  void add(const std::string& name, Holder layer) {
    list_.emplace_back(layers::add(module_, name, std::move(layer)));
  }
  void add_resnet(const std::string& name, std::int64_t in, std::int64_t out) {
    add(name, ResnetBlock(in, out, /*time=*/0, norm_));
  }
  void add_middle(const std::string& name, std::int64_t channels, bool with_attention) {
    add_resnet(name + ".resnets.0", channels, channels);
    if (with_attention) {
      add(name + ".attentions.0", SpatialSelfAttention(channels, norm_));
    }
    add_resnet(name + ".resnets.1", channels, channels);
  }
  void add_end(const std::string& name, std::int64_t channels, std::int64_t out) {
    add(name + ".conv_norm_out", layers::NormSilu(norm_.groups, channels, norm_.eps));
    add(name + ".conv_out", layers::Conv2d(channels, out));
  }

 private:
  torch::nn::Module& module_;
  LayerList& list_;
  NormOptions norm_;
};

std::string name_of(const std::string& block, std::size_t i, const std::string& layers, std::int64_t j) {
  return block + "." + std::to_string(i) + "." + layers + "." + std::to_string(j);
}

}  // namespace

void AutoencoderKlOptions::check() const {
  const OptionChecks checks("AutoencoderKL configuration");
  checks.levels("block_out_channels", block_out_channels.size());
  checks.sizes("block_out_channels", block_out_channels, block_out_channels.size());
  checks.size("in_channels", in_channels);
  checks.size("out_channels", out_channels);
  checks.size("layers_per_block", layers_per_block, checks.kMostLayers);
  checks.size("latent_channels", latent_channels);
  checks.size("norm_num_groups", norm_num_groups);
  for (const auto channels : block_out_channels) {
    checks.require(channels % norm_num_groups == 0, "block_out_channels", "multiples of norm_num_groups");
  }
}

AutoencoderKlImpl::AutoencoderKlImpl(AutoencoderKlOptions options)
    : options_(std::move(options)), layers_(std::make_shared<AutoencoderLayers>()) {
  options_.check();
  build_encoder();
  build_decoder();
}

void AutoencoderKlImpl::build_encoder() {
  LayerBuilder list(*this, layers_->encoder, {options_.norm_num_groups, kEps});
  const auto& levels = options_.block_out_channels;
  std::int64_t channels = levels.front();
  list.add("encoder.conv_in", layers::Conv2d(options_.in_channels, channels));
  for (std::size_t level = 0; level < levels.size(); ++level) {
    for (std::int64_t i = 0; i < options_.layers_per_block; ++i) {
      list.add_resnet(name_of("encoder.down_blocks", level, "resnets", i), channels, levels[level]);
      channels = levels[level];
    }
    if (level + 1 < levels.size()) {
      list.add(name_of("encoder.down_blocks", level, "downsamplers", 0),
               Downsample(channels, /*pad_right_and_bottom=*/true));
    }
  }
  list.add_middle("encoder.mid_block", channels, options_.mid_block_add_attention);
  const std::int64_t moments = 2 * options_.latent_channels;
  list.add_end("encoder", channels, moments);
  if (options_.use_quant_conv) {
    list.add("quant_conv", layers::Conv2d(moments, moments, kSinglePixel));
  }
}

void AutoencoderKlImpl::build_decoder() {
  LayerBuilder list(*this, layers_->decoder, {options_.norm_num_groups, kEps});
  const std::vector<std::int64_t> levels(options_.block_out_channels.rbegin(), options_.block_out_channels.rend());
  const std::int64_t latent = options_.latent_channels;
  std::int64_t channels = levels.front();
  if (options_.use_post_quant_conv) {
    list.add("post_quant_conv", layers::Conv2d(latent, latent, kSinglePixel));
  }
  list.add("decoder.conv_in", layers::Conv2d(latent, channels));
  list.add_middle("decoder.mid_block", channels, options_.mid_block_add_attention);
  for (std::size_t level = 0; level < levels.size(); ++level) {
    for (std::int64_t i = 0; i <= options_.layers_per_block; ++i) {
      list.add_resnet(name_of("decoder.up_blocks", level, "resnets", i), channels, levels[level]);
      channels = levels[level];
    }
    if (level + 1 < levels.size()) {
      list.add(name_of("decoder.up_blocks", level, "upsamplers", 0), Upsample(channels));
    }
  }
  list.add_end("decoder", channels, options_.out_channels);
}

GaussianPosterior AutoencoderKlImpl::encode(const torch::Tensor& pixels, const StripLimits* strips) const {
  const std::int64_t factor = options_.factor();
  if (pixels.dim() != 4 || pixels.size(1) != options_.in_channels || pixels.size(2) % factor != 0 ||
      pixels.size(3) % factor != 0) {
    throw ModelError(c10::str("the autoencoder needs pixels (B, ", options_.in_channels,
                              ", H, W) with H and W multiples of ", factor, "; got ", pixels.sizes()));
  }
  const auto moments = run_layers(layers_->encoder, pixels, strips).chunk(2, 1);
  return {moments[0], moments[1].clamp(-30.0, 20.0)};
}

torch::Tensor AutoencoderKlImpl::decode(const torch::Tensor& latent, const StripLimits* strips) const {
  if (latent.dim() != 4 || latent.size(1) != options_.latent_channels) {
    throw ModelError(
        c10::str("the autoencoder needs latents (B, ", options_.latent_channels, ", H, W); got ", latent.sizes()));
  }
  return run_layers(layers_->decoder, latent, strips);
}

double AutoencoderKlImpl::peak_activations_per_pixel() const {
  const auto factor = static_cast<double>(options_.factor());
  return std::max(peak_activations(layers_->encoder, options_.in_channels),
                  peak_activations(layers_->decoder, options_.latent_channels) / (factor * factor));
}

}  // namespace fmboost
