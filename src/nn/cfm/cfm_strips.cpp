#include <limits>

#include "nn/cfm/cfm_blocks.h"
#include "nn/cfm/cfm_unet.h"
#include "nn/layers/strip_norm.h"

namespace fmboost {
namespace {

namespace nn = torch::nn;

NormWeights weights_of(const nn::GroupNorm& norm) {
  return {norm->options.num_groups(), norm->options.eps(), norm->weight, norm->bias};
}

template <typename Module>
Layer layer_of(const Module& module) {
  return [module = module](const torch::Tensor& x) mutable { return module->forward(x); };
}

Layer layer_of(const nn::Conv2d& convolution) {
  return [convolution](const torch::Tensor& x) { return convolve(convolution, x); };
}

// Runs the network block by block, each one strip by strip.
class StripRun {
 public:
  StripRun(torch::Tensor embedding, std::int64_t strip_bytes)
      : embedding_(std::move(embedding)),
        // Keep everything: unlike in a decoder, these results have the size of latents, and most are skips.
        limits_{.strip_bytes = strip_bytes, .kept_bytes = std::numeric_limits<std::int64_t>::max()} {}

  LazyFeatureMap operator()(const nn::Conv2d& convolution, const LazyFeatureMap& x) const {
    return keep(x, {.channels = convolution->weight.size(0), .halo = 1}, layer_of(convolution));
  }
  LazyFeatureMap operator()(const CfmResBlock& block, const LazyFeatureMap& x) const {
    const std::int64_t channels = block->out_conv->weight.size(0);
    const torch::Tensor time = CfmResBlock(block)->time_terms(embedding_);
    NormedResidual residual{.norm1 = weights_of(block->in_norm),
                            .norm2 = weights_of(block->out_norm),
                            .conv1 = layer_of(block->in_conv),
                            .conv2 = layer_of(block->out_conv),
                            .skip = [](const torch::Tensor& image) { return image; },
                            .channels = channels};
    if (!block->skip.is_empty()) {
      residual.skip = layer_of(block->skip);
    }
    if (block->scale_shift) {
      const auto halves = time.to(torch::kFloat32).chunk(2, 1);
      residual.modulation = ChannelScale{1 + halves[0], halves[1]};
    } else {
      residual.conv1 = [convolution = residual.conv1, time](const torch::Tensor& image) {
        return convolution(image).add_(time);
      };
    }
    return fmboost::run_in_strips(residual, x, limits_);
  }
  LazyFeatureMap operator()(const CfmAttention& block, const LazyFeatureMap& x) const {
    return LazyFeatureMap(CfmAttention(block)->forward(x.keep(limits_).values()));
  }
  LazyFeatureMap operator()(const CfmDownsample& block, const LazyFeatureMap& x) const {
    return keep(x, {.channels = x.sizes()[1], .halo = 1, .down = 2}, layer_of(block));
  }
  LazyFeatureMap operator()(const CfmUpsample& block, const LazyFeatureMap& x) const {
    return keep(x, {.channels = x.sizes()[1], .halo = 1, .up = 2}, layer_of(block));
  }

  LazyFeatureMap operator()(const CfmStage& stage, LazyFeatureMap x) const {
    for (const auto& block : stage.blocks()) {
      x = std::visit([&](const auto& one) { return (*this)(one, x); }, block);
    }
    return x;
  }
  LazyFeatureMap operator()(const nn::GroupNorm& norm, const nn::Conv2d& convolution, const LazyFeatureMap& x) const {
    const ChannelScale scale = normalization(x, weights_of(norm), limits_);
    auto layer = [scale, convolve = layer_of(convolution)](const torch::Tensor& image) {
      return convolve(scale.apply_silu(image));
    };
    return keep(x, {.channels = convolution->weight.size(0), .halo = 1}, layer);
  }
  LazyFeatureMap keep(const LazyFeatureMap& x, const Footprint& footprint, Layer layer) const {
    return x.apply(footprint, std::move(layer)).keep(limits_);
  }

 private:
  torch::Tensor embedding_;
  StripLimits limits_;
};

}  // namespace

torch::Tensor CfmUnetImpl::run_in_strips(const torch::Tensor& input, const torch::Tensor& embedding,
                                         const StripLimits& limits) {
  const c10::InferenceMode no_gradients;
  const StripRun run(embedding, limits.strip_bytes);
  const std::int64_t pool = options_.pool_factor;
  LazyFeatureMap h(input);
  if (!down_conv_.is_empty()) {
    h = run.keep(h, {.channels = options_.model_channels, .down = pool}, layer_of(down_conv_));
  }
  std::vector<LazyFeatureMap> skips;
  for (const auto& stage : *input_blocks_) {
    h = run(*stage->as<CfmStage>(), std::move(h));
    skips.push_back(h);
  }
  h = run(*middle_block_, std::move(h));
  for (const auto& stage : *output_blocks_) {
    h = concatenate(h, skips.back());
    skips.pop_back();
    h = run(*stage->as<CfmStage>(), std::move(h));
  }
  const auto last_norm = nn::GroupNorm(std::dynamic_pointer_cast<nn::GroupNormImpl>(out_->ptr(0)));
  const auto last_convolution = nn::Conv2d(std::dynamic_pointer_cast<nn::Conv2dImpl>(out_->ptr(2)));
  h = run(last_norm, last_convolution, h);
  if (!up_conv_.is_empty()) {
    h = run.keep(h, {.channels = options_.out_channels, .up = pool}, layer_of(up_conv_));
  }
  return h.values();
}

}  // namespace fmboost
