#include "nn/default_model/patch_unet.h"

#include "nn/layers/attention.h"
#include "nn/layers/option_checks.h"
#include "nn/layers/time_embedding.h"

namespace fmboost {
namespace {

constexpr std::int64_t kPatch = 2;  // latent pixels per side of a patch
constexpr std::int64_t kNormGroups = 32;
constexpr double kEps = 1e-5;
constexpr layers::Conv2dOptions kSinglePlace{.kernel = 1, .padding = 0};

/// Residual block: norm, SiLU and convolution, twice; the timestep embedding scales and shifts the second norm.
class PatchResBlock : public torch::nn::Module {
 public:
  PatchResBlock(std::int64_t channels, std::int64_t time_width) {
    norm1_ = register_module("norm1", layers::NormSilu(kNormGroups, channels, kEps));
    conv1_ = register_module("conv1", layers::Conv2d(channels, channels));
    time_ = register_module("time", layers::Linear(time_width, 2 * channels));
    norm2_ = register_module("norm2", layers::GroupNorm(kNormGroups, channels, kEps));
    conv2_ = register_module("conv2", layers::Conv2d(channels, channels));
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& time) const {
    const auto halves = time_->forward(time).unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
    const torch::Tensor h = norm2_->forward(conv1_->forward(norm1_->forward(x)));
    return conv2_->forward(torch::silu(h * (1 + halves[0]) + halves[1])).add_(x);
  }

 private:
  layers::NormSilu norm1_ = nullptr;
  layers::GroupNorm norm2_ = nullptr;
  layers::Conv2d conv1_ = nullptr, conv2_ = nullptr;
  layers::Linear time_ = nullptr;
};

/// Transformer block: self-attention over the patches, cross-attention to the words, feed-forward.
class PatchAttentionBlock : public torch::nn::Module {
 public:
  PatchAttentionBlock(std::int64_t channels, std::int64_t text_width, std::int64_t heads) : heads_(heads) {
    norm1_ = register_module("norm1", layers::LayerNorm(channels));
    norm2_ = register_module("norm2", layers::LayerNorm(channels));
    norm3_ = register_module("norm3", layers::LayerNorm(channels));
    qkv_ = register_module("qkv", layers::Linear(channels, 3 * channels));
    proj_ = register_module("proj", layers::Linear(channels, channels));
    q_ = register_module("q", layers::Linear(channels, channels));
    kv_ = register_module("kv", layers::Linear(text_width, 2 * channels));
    text_proj_ = register_module("text_proj", layers::Linear(channels, channels));
    mlp_in_ = layers::add(*this, "mlp.0", layers::Linear(channels, 2 * channels));
    mlp_out_ = layers::add(*this, "mlp.2", layers::Linear(2 * channels, channels));
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& text) const {
    torch::Tensor h = to_tokens(x);
    const auto qkv = qkv_->forward(norm1_->forward(h)).chunk(3, 2);
    h = h + proj_->forward(attend(qkv[0], qkv[1], qkv[2], heads_));
    const auto kv = kv_->forward(text).chunk(2, 2);
    h = h + text_proj_->forward(attend(q_->forward(norm2_->forward(h)), kv[0], kv[1], heads_));
    h = h + mlp_out_->forward(torch::gelu(mlp_in_->forward(norm3_->forward(h))));
    return from_tokens(h, x.sizes());
  }

 private:
  std::int64_t heads_;
  layers::LayerNorm norm1_ = nullptr, norm2_ = nullptr, norm3_ = nullptr;
  layers::Linear qkv_ = nullptr, proj_ = nullptr, q_ = nullptr, kv_ = nullptr, text_proj_ = nullptr;
  layers::Linear mlp_in_ = nullptr, mlp_out_ = nullptr;
};

}  // namespace

void PatchUnetOptions::check() const {
  const OptionChecks checks("PatchUnet configuration");
  checks.levels("widths", widths.size());
  checks.sizes("widths", widths, widths.size());
  checks.sizes("down", down, widths.size(), checks.kMostLayers);
  checks.sizes("up", up, widths.size(), checks.kMostLayers);
  checks.size("latent_channels", latent_channels);
  checks.size("text_width", text_width);
  checks.size("heads", heads);
  checks.size("fine_channels", fine_channels);
  checks.require(fine_blocks >= 0 && fine_blocks <= checks.kMostLayers, "fine_blocks",
                 c10::str("from 0 to ", checks.kMostLayers, ", found ", fine_blocks));
  for (const auto width : widths) {
    checks.require(width % kNormGroups == 0 && width % heads == 0, "widths",
                   "multiples of " + std::to_string(kNormGroups) + " and of heads");
  }
}

/// The blocks of one resolution. The finest has no attention.
class PatchLevel : public torch::nn::Module {
 public:
  PatchLevel(const PatchUnetOptions& options, std::size_t level, std::int64_t blocks) {
    const std::int64_t channels = options.widths[level];
    std::int64_t number = 0;
    const auto add = [&](auto block) {
      return layers::add(*this, "layers." + std::to_string(number++), std::move(block));
    };
    for (std::int64_t i = 0; i < blocks; ++i) {
      resblocks_.push_back(add(std::make_shared<PatchResBlock>(channels, 4 * options.widths.front())));
      if (level > 0) {
        attentions_.push_back(add(std::make_shared<PatchAttentionBlock>(channels, options.text_width, options.heads)));
      }
    }
  }
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& time, const torch::Tensor& text) const {
    for (std::size_t i = 0; i < resblocks_.size(); ++i) {
      x = resblocks_[i]->forward(x, time);
      x = attentions_.empty() ? x : attentions_[i]->forward(x, text);
    }
    return x;
  }

 private:
  std::vector<std::shared_ptr<PatchResBlock>> resblocks_;
  std::vector<std::shared_ptr<PatchAttentionBlock>> attentions_;
};

/// A residual block on latents, without norms: edges are the largest values of a latent, and norms would weaken them.
class PatchFineBlock : public torch::nn::Module {
 public:
  PatchFineBlock(std::int64_t channels, std::int64_t time_width) {
    conv1_ = register_module("conv1", layers::Conv2d(channels, channels));
    time_ = register_module("time", layers::Linear(time_width, 2 * channels));
    conv2_ = register_module("conv2", layers::Conv2d(channels, channels));
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& time) const {
    const auto halves = time_->forward(time).unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
    const torch::Tensor h = conv1_->forward(torch::silu(x));
    return conv2_->forward(torch::silu(h * (1 + halves[0]) + halves[1])).add_(x);
  }

 private:
  layers::Conv2d conv1_ = nullptr, conv2_ = nullptr;
  layers::Linear time_ = nullptr;
};

/// The correction of the prediction at each latent pixel, from the latents and the features of its patch.
class PatchFine : public torch::nn::Module {
 public:
  explicit PatchFine(const PatchUnetOptions& options) {
    const std::int64_t channels = options.fine_channels;
    conv_in_ = register_module("conv_in", layers::Conv2d(options.latent_channels, channels));
    from_patch_ =
        register_module("from_patch", layers::Conv2d(options.widths.front(), channels * kPatch * kPatch, kSinglePlace));
    for (std::int64_t i = 0; i < options.fine_blocks; ++i) {
      blocks_.push_back(layers::add(*this, "blocks." + std::to_string(i),
                                    std::make_shared<PatchFineBlock>(channels, 4 * options.widths.front())));
    }
    conv_out_ = register_module("conv_out", layers::Conv2d(channels, options.latent_channels));
  }
  torch::Tensor forward(const torch::Tensor& latent, const torch::Tensor& patches, const torch::Tensor& time) const {
    torch::Tensor x = conv_in_->forward(latent) + torch::pixel_shuffle(from_patch_->forward(patches), kPatch);
    for (const auto& block : blocks_) {
      x = block->forward(x, time);
    }
    return conv_out_->forward(x);
  }

 private:
  layers::Conv2d conv_in_ = nullptr, from_patch_ = nullptr, conv_out_ = nullptr;
  std::vector<std::shared_ptr<PatchFineBlock>> blocks_;
};

PatchUnetImpl::PatchUnetImpl(PatchUnetOptions options) : options_(std::move(options)) {
  options_.check();
  const std::int64_t width = options_.widths.front();
  const std::int64_t time_width = 4 * width;
  const std::int64_t inside = options_.latent_channels * kPatch * kPatch;
  time_in_ = layers::add(*this, "time.mlp.0", layers::Linear(width, time_width));
  time_out_ = layers::add(*this, "time.mlp.2", layers::Linear(time_width, time_width));
  text_ = register_module("text", layers::Linear(options_.text_width, time_width));
  conv_in_ = register_module("conv_in", layers::Conv2d(inside, width, kSinglePlace));
  for (std::size_t level = 0; level < options_.widths.size(); ++level) {
    const std::string number = std::to_string(level);
    down_.push_back(
        layers::add(*this, "down." + number, std::make_shared<PatchLevel>(options_, level, options_.down[level])));
    up_.push_back(
        layers::add(*this, "up." + number, std::make_shared<PatchLevel>(options_, level, options_.up[level])));
    if (level + 1 < options_.widths.size()) {
      const std::int64_t fine = options_.widths[level];
      const std::int64_t coarse = options_.widths[level + 1];
      reduce_.push_back(
          layers::add(*this, "reduce." + number, layers::Conv2d(fine, coarse, layers::Conv2dOptions{.stride = 2})));
      upsample_.push_back(layers::add(*this, "enlarge." + number, layers::Conv2d(coarse, 4 * fine, kSinglePlace)));
    }
  }
  norm_out_ = register_module("norm_out", layers::NormSilu(kNormGroups, width, kEps));
  conv_out_ = register_module("conv_out", layers::Conv2d(width, inside, kSinglePlace));
  if (options_.fine_blocks > 0) {
    fine_ = register_module("fine", std::make_shared<PatchFine>(options_));
  }
}

torch::Tensor PatchUnetImpl::embed(const torch::Tensor& timestep, const torch::Tensor& text) const {
  const torch::Tensor waves = sinusoidal_embedding(timestep, options_.widths.front()).to(text.scalar_type());
  const torch::Tensor time = time_out_->forward(torch::silu(time_in_->forward(waves)));
  return torch::silu(time + text_->forward(text.mean(1)));
}

torch::Tensor PatchUnetImpl::forward(const torch::Tensor& x, const torch::Tensor& timestep,
                                     const torch::Tensor& text) const {
  const std::int64_t multiple = options_.size_multiple();
  if (x.dim() != 4 || x.size(1) != options_.latent_channels || x.size(2) % multiple != 0 || x.size(3) % multiple != 0) {
    throw ModelError(c10::str("the denoiser needs latents (B, ", options_.latent_channels,
                              ", H, W) with H and W multiples of ", multiple, "; got ", x.sizes()));
  }
  const torch::Tensor time = embed(timestep, text);
  torch::Tensor h = conv_in_->forward(torch::pixel_unshuffle(x, kPatch));
  std::vector<torch::Tensor> kept;
  for (std::size_t i = 0; i < down_.size(); ++i) {
    h = down_[i]->forward(i > 0 ? reduce_[i - 1]->forward(h) : h, time, text);
    kept.push_back(h);
  }
  for (std::size_t i = up_.size(); i-- > 0;) {
    h = up_[i]->forward(i + 1 < up_.size() ? h + kept[i] : h, time, text);
    if (i > 0) {
      h = torch::pixel_shuffle(upsample_[i - 1]->forward(h), 2);
    }
  }
  h = norm_out_->forward(h);
  const torch::Tensor velocity = torch::pixel_shuffle(conv_out_->forward(h), kPatch);
  return fine_ ? velocity + fine_->forward(x, h, time) : velocity;
}

}  // namespace fmboost
