#include "nn/stable_diffusion/unet.h"

#include <algorithm>

#include "nn/layers/option_checks.h"
#include "nn/layers/time_embedding.h"
#include "nn/stable_diffusion/spatial_transformer.h"
#include "nn/stable_diffusion/unet_blocks.h"

namespace fmboost {
namespace {

bool has_attention(const std::string& block_type) {
  return block_type.starts_with("CrossAttn");
}

void check_types(const OptionChecks& checks, const std::string& field, const std::vector<std::string>& types,
                 std::size_t levels, const std::string& plain) {
  checks.require(types.size() == levels, field, "a list with an entry for each of block_out_channels");
  for (const auto& type : types) {
    checks.require(type == plain || type == "CrossAttn" + plain, field,
                   c10::str("made of ", plain, " and CrossAttn", plain, ", found '", type, "'"));
  }
}

}  // namespace

void UnetOptions::check() const {
  const OptionChecks checks("UNet configuration");
  checks.levels("block_out_channels", levels());
  checks.size("in_channels", in_channels);
  checks.size("out_channels", out_channels);
  checks.sizes("block_out_channels", block_out_channels, levels());
  checks.sizes("layers_per_block", layers_per_block, levels(), checks.kMostLayers);
  checks.sizes("transformer_layers_per_block", transformer_layers_per_block, levels(), checks.kMostLayers);
  checks.sizes("attention_head_dim", attention_head_dim, levels());
  check_types(checks, "down_block_types", down_block_types, levels(), "DownBlock2D");
  check_types(checks, "up_block_types", up_block_types, levels(), "UpBlock2D");
  checks.size("cross_attention_dim", cross_attention_dim);
  checks.size("norm_num_groups", norm_num_groups);
  checks.require(norm_eps > 0 && norm_eps < 1, "norm_eps", "between 0 and 1");
  checks.size("time_cond_proj_dim", time_cond_proj_dim.value_or(1));
  for (std::size_t level = 0; level < levels(); ++level) {
    checks.require(block_out_channels[level] % norm_num_groups == 0, "block_out_channels",
                   "multiples of norm_num_groups");
    checks.require(block_out_channels[level] % attention_head_dim[level] == 0, "attention_head_dim",
                   "numbers of heads that divide block_out_channels");
  }
}

/// The embedded timestep, through two layers; the guidance embedding is added to the input of the first.
class TimestepEmbedding : public torch::nn::Module {
 public:
  TimestepEmbedding(std::int64_t width, std::int64_t out, std::optional<std::int64_t> guidance) : width_(width) {
    linear_1_ = register_module("linear_1", layers::Linear(width, out));
    if (guidance) {
      cond_proj_ = register_module("cond_proj", layers::Linear(*guidance, width, /*with_bias=*/false));
    }
    linear_2_ = register_module("linear_2", layers::Linear(out, out));
  }

  torch::Tensor forward(const torch::Tensor& timestep, const torch::Tensor& guidance, torch::ScalarType dtype) const {
    torch::Tensor h = sinusoidal_embedding(timestep, width_).to(dtype);
    if (guidance.defined()) {
      h = h + cond_proj_->forward(guidance);
    }
    return linear_2_->forward(torch::silu(linear_1_->forward(h)));
  }

 private:
  std::int64_t width_;
  layers::Linear linear_1_ = nullptr, linear_2_ = nullptr, cond_proj_ = nullptr;
};

/// One level of the down or up path, or the middle: residual blocks with or without attention between them, then a
/// change of size.
class UnetBlock : public torch::nn::Module {
 public:
  UnetBlock(const UnetOptions& options, std::size_t level) : options_(options), level_(level) {}

  void add_resnet(std::int64_t in) {
    const std::int64_t time = 4 * options_.block_out_channels.front();
    const ResnetBlock block(in, channels(), time, NormOptions{options_.norm_num_groups, options_.norm_eps});
    resnets_.push_back(layers::add(*this, "resnets." + std::to_string(resnets_.size()), block));
  }
  void add_attention() {
    const SpatialTransformer block(SpatialTransformerOptions{.channels = channels(),
                                                             .heads = options_.attention_head_dim[level_],
                                                             .text_width = options_.cross_attention_dim,
                                                             .depth = options_.transformer_layers_per_block[level_],
                                                             .norm_groups = options_.norm_num_groups,
                                                             .linear_projection = options_.use_linear_projection});
    attentions_.push_back(layers::add(*this, "attentions." + std::to_string(attentions_.size()), block));
  }
  void add_downsampler() {
    down_ = layers::add(*this, "downsamplers.0", Downsample(channels(), /*pad_right_and_bottom=*/false));
  }
  void add_upsampler() { up_ = layers::add(*this, "upsamplers.0", Upsample(channels())); }

  torch::Tensor go_down(torch::Tensor x, const torch::Tensor& time, const torch::Tensor& text,
                        std::vector<torch::Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
      x = attend_at(i, resnets_[i]->forward(x, time), text);
      skips.push_back(x);
    }
    if (!down_.is_empty()) {
      x = down_->forward(x);
      skips.push_back(x);
    }
    return x;
  }
  torch::Tensor go_through(torch::Tensor x, const torch::Tensor& time, const torch::Tensor& text) const {
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
      x = attend_at(i, resnets_[i]->forward(x, time), text);
    }
    return x;
  }
  torch::Tensor go_up(torch::Tensor x, const torch::Tensor& time, const torch::Tensor& text,
                      std::vector<torch::Tensor>& skips) const {
    for (std::size_t i = 0; i < resnets_.size(); ++i) {
      x = torch::cat({x, skips.back()}, 1);
      skips.pop_back();
      x = attend_at(i, resnets_[i]->forward(x, time), text);
    }
    // To the size of this level in the down path, which need not be even.
    return up_.is_empty() ? x : up_->forward(x, skips.back().size(2), skips.back().size(3));
  }

 private:
  std::int64_t channels() const { return options_.block_out_channels[level_]; }
  torch::Tensor attend_at(std::size_t i, const torch::Tensor& x, const torch::Tensor& text) const {
    return i < attentions_.size() ? attentions_[i]->forward(x, text) : x;
  }

  UnetOptions options_;
  std::size_t level_;
  std::vector<ResnetBlock> resnets_;
  std::vector<SpatialTransformer> attentions_;
  Downsample down_ = nullptr;
  Upsample up_ = nullptr;
};

UnetImpl::UnetImpl(UnetOptions options) : options_(std::move(options)) {
  options_.check();
  const std::int64_t width = options_.block_out_channels.front();
  conv_in_ = register_module("conv_in", std::make_shared<layers::Conv2dImpl>(options_.in_channels, width));
  time_embedding_ = register_module("time_embedding",
                                    std::make_shared<TimestepEmbedding>(width, 4 * width, options_.time_cond_proj_dim));
  std::vector<std::int64_t> skips{width};
  build_down_blocks(skips);
  build_mid_block();
  build_up_blocks(skips);
  conv_norm_out_ = register_module(
      "conv_norm_out", std::make_shared<layers::NormSiluImpl>(options_.norm_num_groups, width, options_.norm_eps));
  conv_out_ = register_module("conv_out", std::make_shared<layers::Conv2dImpl>(width, options_.out_channels));
}

void UnetImpl::build_down_blocks(std::vector<std::int64_t>& skips) {
  std::int64_t channels = skips.front();
  for (std::size_t level = 0; level < options_.levels(); ++level) {
    const auto block = std::make_shared<UnetBlock>(options_, level);
    for (std::int64_t i = 0; i < options_.layers_per_block[level]; ++i) {
      block->add_resnet(channels);
      channels = options_.block_out_channels[level];
      skips.push_back(channels);
      if (has_attention(options_.down_block_types[level])) {
        block->add_attention();
      }
    }
    if (level + 1 < options_.levels()) {
      block->add_downsampler();
      skips.push_back(channels);
    }
    down_blocks_.push_back(layers::add(*this, "down_blocks." + std::to_string(level), block));
  }
}

void UnetImpl::build_mid_block() {
  if (options_.mid_block) {
    mid_block_ = register_module("mid_block", std::make_shared<UnetBlock>(options_, options_.levels() - 1));
    mid_block_->add_resnet(options_.block_out_channels.back());
    mid_block_->add_attention();
    mid_block_->add_resnet(options_.block_out_channels.back());
  }
}

void UnetImpl::build_up_blocks(std::vector<std::int64_t>& skips) {
  std::int64_t channels = options_.block_out_channels.back();
  for (std::size_t i = 0; i < options_.levels(); ++i) {
    const std::size_t level = options_.levels() - 1 - i;
    const auto block = std::make_shared<UnetBlock>(options_, level);
    for (std::int64_t j = 0; j <= options_.layers_per_block[level]; ++j) {
      block->add_resnet(channels + skips.back());
      skips.pop_back();
      channels = options_.block_out_channels[level];
      if (has_attention(options_.up_block_types[i])) {
        block->add_attention();
      }
    }
    if (level > 0) {
      block->add_upsampler();
    }
    up_blocks_.push_back(layers::add(*this, "up_blocks." + std::to_string(i), block));
  }
}

torch::Tensor UnetImpl::forward(const torch::Tensor& x, const torch::Tensor& timestep, const torch::Tensor& text,
                                const torch::Tensor& guidance) const {
  if (x.dim() != 4 || x.size(1) != options_.in_channels) {
    throw ModelError(c10::str("the UNet needs latents (B, ", options_.in_channels, ", H, W); got ", x.sizes()));
  }
  if (guidance.defined() != options_.time_cond_proj_dim.has_value()) {
    throw ModelError(guidance.defined() ? "the UNet has no input for guidance" : "the UNet needs a guidance embedding");
  }
  const torch::Tensor time = time_embedding_->forward(timestep, guidance, x.scalar_type());
  std::vector<torch::Tensor> skips{conv_in_->forward(x)};
  torch::Tensor h = skips.back();
  for (const auto& block : down_blocks_) {
    h = block->go_down(h, time, text, skips);
  }
  if (mid_block_ != nullptr) {
    h = mid_block_->go_through(h, time, text);
  }
  for (const auto& block : up_blocks_) {
    h = block->go_up(h, time, text, skips);
  }
  return conv_out_->forward(conv_norm_out_->forward(h));
}

}  // namespace fmboost
