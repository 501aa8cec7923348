#include "nn/stable_diffusion/clip_text.h"

#include "nn/layers/attention.h"
#include "nn/layers/layers.h"
#include "nn/layers/option_checks.h"

namespace fmboost {

void ClipTextOptions::check() const {
  const OptionChecks checks("CLIP text configuration");
  checks.size("vocab_size", vocab_size, 1 << 24);
  checks.size("hidden_size", hidden_size);
  checks.size("intermediate_size", intermediate_size);
  checks.size("num_hidden_layers", num_hidden_layers, checks.kMostLayers);
  checks.size("num_attention_heads", num_attention_heads);
  checks.size("max_position_embeddings", max_position_embeddings);
  checks.require(hidden_size % num_attention_heads == 0, "hidden_size", "a multiple of num_attention_heads");
  checks.require(hidden_act == "quick_gelu" || hidden_act == "gelu", "hidden_act",
                 "quick_gelu or gelu, found '" + hidden_act + "'");
  checks.require(layer_norm_eps > 0 && layer_norm_eps < 1, "layer_norm_eps", "between 0 and 1");
  checks.require(clip_skip >= 0 && clip_skip < num_hidden_layers, "clip_skip",
                 "at least 0 and less than num_hidden_layers, found " + std::to_string(clip_skip));
}

/// Token embedding plus position embedding.
class ClipTextEmbeddings : public torch::nn::Module {
 public:
  explicit ClipTextEmbeddings(const ClipTextOptions& options) {
    tokens_ = register_module("token_embedding", layers::Embedding(options.vocab_size, options.hidden_size));
    places_ =
        register_module("position_embedding", layers::Embedding(options.max_position_embeddings, options.hidden_size));
  }
  torch::Tensor forward(const torch::Tensor& ids) const {
    return tokens_->forward(ids) + places_->weight.slice(0, 0, ids.size(1));
  }

 private:
  layers::Embedding tokens_ = nullptr, places_ = nullptr;
};

/// Pre-norm transformer layer: attention over the tokens, then a feed-forward network, each with a residual connection.
class ClipTextLayer : public torch::nn::Module {
 public:
  explicit ClipTextLayer(const ClipTextOptions& options)
      : heads_(options.num_attention_heads), quick_(options.hidden_act == "quick_gelu") {
    const std::int64_t width = options.hidden_size;
    norm1_ = register_module("layer_norm1", layers::LayerNorm(width, options.layer_norm_eps));
    norm2_ = register_module("layer_norm2", layers::LayerNorm(width, options.layer_norm_eps));
    q_ = layers::add(*this, "self_attn.q_proj", layers::Linear(width, width));
    k_ = layers::add(*this, "self_attn.k_proj", layers::Linear(width, width));
    v_ = layers::add(*this, "self_attn.v_proj", layers::Linear(width, width));
    out_ = layers::add(*this, "self_attn.out_proj", layers::Linear(width, width));
    fc1_ = layers::add(*this, "mlp.fc1", layers::Linear(width, options.intermediate_size));
    fc2_ = layers::add(*this, "mlp.fc2", layers::Linear(options.intermediate_size, width));
  }

  torch::Tensor forward(torch::Tensor x) const {
    const torch::Tensor h = norm1_->forward(x);
    x = x + out_->forward(attend(q_->forward(h), k_->forward(h), v_->forward(h), heads_, /*causal=*/true));
    const torch::Tensor inner = fc1_->forward(norm2_->forward(x));
    return x + fc2_->forward(quick_ ? inner * torch::sigmoid(1.702 * inner) : torch::gelu(inner));
  }

 private:
  std::int64_t heads_;
  bool quick_;
  layers::LayerNorm norm1_ = nullptr, norm2_ = nullptr;
  layers::Linear q_ = nullptr, k_ = nullptr, v_ = nullptr, out_ = nullptr, fc1_ = nullptr, fc2_ = nullptr;
};

ClipTextModelImpl::ClipTextModelImpl(ClipTextOptions options) : options_(std::move(options)) {
  options_.check();
  embeddings_ = layers::add(*this, "text_model.embeddings", std::make_shared<ClipTextEmbeddings>(options_));
  for (std::int64_t i = 0; i < options_.num_hidden_layers; ++i) {
    const std::string name = "text_model.encoder.layers." + std::to_string(i);
    layers_.push_back(layers::add(*this, name, std::make_shared<ClipTextLayer>(options_)));
  }
  final_layer_norm_ =
      layers::add(*this, "text_model.final_layer_norm",
                  std::make_shared<layers::LayerNormImpl>(options_.hidden_size, options_.layer_norm_eps));
}

torch::Tensor ClipTextModelImpl::forward(const torch::Tensor& ids, std::optional<std::int64_t> omitted) const {
  if (ids.dim() != 2 || ids.size(1) > options_.max_position_embeddings) {
    throw ModelError(c10::str("the text encoder needs (B, length) tokens with a length of at most ",
                              options_.max_position_embeddings, "; got ", ids.sizes()));
  }
  const std::int64_t used = options_.num_hidden_layers - omitted.value_or(options_.clip_skip);
  if (used < 1 || used > options_.num_hidden_layers) {
    throw ModelError(c10::str("cannot omit ", options_.num_hidden_layers - used, " of the ", options_.num_hidden_layers,
                              " layers of the text encoder"));
  }
  torch::Tensor x = embeddings_->forward(ids);
  for (std::int64_t i = 0; i < used; ++i) {
    x = layers_[static_cast<std::size_t>(i)]->forward(x);
  }
  return final_layer_norm_->forward(x);
}

}  // namespace fmboost
