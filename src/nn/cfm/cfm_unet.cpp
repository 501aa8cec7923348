#include "nn/cfm/cfm_unet.h"

#include <algorithm>

#include "fmboost/core/error.h"

#include "nn/cfm/cfm_blocks.h"
#include "nn/cfm/cfm_layers.h"
#include "nn/layers/time_embedding.h"

namespace fmboost {
namespace {

namespace nn = torch::nn;

}  // namespace

CfmUnetImpl::CfmUnetImpl(CfmUnetOptions options) : options_(std::move(options)) {
  options_.check();
  const std::int64_t width = options_.model_channels;
  const bool pooled = options_.pool_factor > 1;
  time_embed_ = register_module(
      "time_embed", nn::Sequential(cfm_linear(width, 4 * width), nn::SiLU(), cfm_linear(4 * width, 4 * width)));
  if (pooled) {
    const std::int64_t p = options_.pool_factor;
    down_conv_ = cfm_convolution<nn::Conv2d>(nn::Conv2dOptions(options_.in_channels, width, p).stride(p));
    up_conv_ = cfm_transposed_convolution(width, options_.out_channels, p);
    register_module("pool", std::make_shared<nn::Module>())->register_module("down_conv", down_conv_);
    register_module("un_pool", std::make_shared<nn::Module>())->register_module("up_conv", up_conv_);
  }
  std::vector<std::int64_t> skips;
  build_input_blocks(skips);
  build_middle_block();
  build_output_blocks(skips);
  const std::int64_t last = width * options_.channel_mult.front();
  nn::Conv2dOptions last_options(last, pooled ? width : options_.out_channels, 3);
  auto last_conv = cfm_convolution<nn::Conv2d>(last_options.padding(1));
  out_ = register_module("out", nn::Sequential(cfm_group_norm(kCfmGroups, last), nn::SiLU(),
                                               pooled ? last_conv : zeroed(last_conv)));
}

bool CfmUnetImpl::has_attention(std::size_t level) const {
  const auto& listed = options_.attention_resolutions;
  return std::find(listed.begin(), listed.end(), std::int64_t{1} << level) != listed.end();
}

void CfmUnetImpl::build_input_blocks(std::vector<std::int64_t>& skips) {
  const std::int64_t width = options_.model_channels;
  input_blocks_ = register_module("input_blocks", nn::ModuleList());
  auto first = std::make_shared<CfmStage>();
  const std::int64_t in = options_.pool_factor > 1 ? width : options_.in_channels;
  first->add(cfm_convolution<nn::Conv2d>(nn::Conv2dOptions(in, width, 3).padding(1)));
  input_blocks_->push_back(first);
  skips.push_back(width);
  std::int64_t channels = width;
  for (std::size_t level = 0; level < options_.channel_mult.size(); ++level) {
    const std::int64_t out = width * options_.channel_mult[level];
    for (std::int64_t i = 0; i < options_.num_res_blocks; ++i) {
      auto stage = std::make_shared<CfmStage>();
      stage->add(CfmResBlock(channels, 4 * width, out, options_.use_scale_shift_norm, options_.dropout));
      if (has_attention(level)) {
        stage->add(CfmAttention(out, options_.num_heads, options_.dim_head, options_.use_linear_attn));
      }
      input_blocks_->push_back(stage);
      skips.push_back(out);
      channels = out;
    }
    if (level + 1 < options_.channel_mult.size()) {
      auto stage = std::make_shared<CfmStage>();
      stage->add(CfmDownsample(channels, options_.conv_resample));
      input_blocks_->push_back(stage);
      skips.push_back(channels);
    }
  }
}

void CfmUnetImpl::build_middle_block() {
  const std::int64_t width = options_.model_channels;
  const std::int64_t channels = width * options_.channel_mult.back();
  middle_block_ = register_module("middle_block", std::make_shared<CfmStage>());
  middle_block_->add(CfmResBlock(channels, 4 * width, channels, options_.use_scale_shift_norm, options_.dropout));
  middle_block_->add(CfmAttention(channels, options_.num_heads, options_.dim_head, /*linear=*/false));
  middle_block_->add(CfmResBlock(channels, 4 * width, channels, options_.use_scale_shift_norm, options_.dropout));
}

void CfmUnetImpl::build_output_blocks(std::vector<std::int64_t>& skips) {
  const std::int64_t width = options_.model_channels;
  output_blocks_ = register_module("output_blocks", nn::ModuleList());
  std::int64_t channels = width * options_.channel_mult.back();
  for (std::size_t level = options_.channel_mult.size(); level-- > 0;) {
    const std::int64_t out = width * options_.channel_mult[level];
    for (std::int64_t i = 0; i <= options_.num_res_blocks; ++i) {
      auto stage = std::make_shared<CfmStage>();
      stage->add(CfmResBlock(channels + skips.back(), 4 * width, out, options_.use_scale_shift_norm, options_.dropout));
      skips.pop_back();
      channels = out;
      if (has_attention(level)) {
        stage->add(CfmAttention(out, options_.num_heads, options_.dim_head, options_.use_linear_attn));
      }
      if (level > 0 && i == options_.num_res_blocks) {
        stage->add(CfmUpsample(out, options_.conv_resample));
      }
      output_blocks_->push_back(stage);
    }
  }
}

torch::Tensor CfmUnetImpl::forward(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context,
                                   const StripLimits* strips) {
  const torch::Tensor h = context.defined() ? torch::cat({x, context}, 1) : x;
  const std::int64_t multiple = options_.size_multiple();
  if (h.dim() != 4 || h.size(1) != options_.in_channels || h.size(2) % multiple != 0 || h.size(3) % multiple != 0) {
    throw ModelError(c10::str("the CFM UNet needs (B, ", options_.in_channels,
                              ", H, W) for x and context together, with H ", "and W multiples of ", multiple, "; got ",
                              h.sizes()));
  }
  const torch::Tensor embedding =
      time_embed_->forward(sinusoidal_embedding(t, options_.model_channels).to(x.scalar_type()));
  return strips != nullptr ? run_in_strips(h, embedding, *strips) : run(h, embedding);
}

torch::Tensor CfmUnetImpl::run(torch::Tensor h, const torch::Tensor& embedding) {
  if (!down_conv_.is_empty()) {
    h = down_conv_(h);
  }
  std::vector<torch::Tensor> skips;
  for (const auto& stage : *input_blocks_) {
    h = stage->as<CfmStage>()->forward(h, embedding);
    skips.push_back(h);
  }
  h = middle_block_->forward(h, embedding);
  for (const auto& stage : *output_blocks_) {
    h = torch::cat({h, skips.back()}, 1);
    skips.pop_back();
    h = stage->as<CfmStage>()->forward(h, embedding);
  }
  h = out_->forward(h);
  return up_conv_.is_empty() ? h : up_conv_(h);
}

}  // namespace fmboost
