#include "nn/default_model/word_transformer.h"

#include "nn/layers/attention.h"
#include "nn/layers/option_checks.h"

namespace fmboost {

void WordTransformerOptions::check() const {
  const OptionChecks checks("WordTransformer configuration");
  checks.size("words", words, 1 << 24);
  checks.size("length", length);
  checks.size("width", width);
  checks.size("layers", layers, checks.kMostLayers);
  checks.size("heads", heads);
  checks.require(width % heads == 0, "width", "a multiple of heads");
}

class WordTransformerLayer : public torch::nn::Module {
 public:
  WordTransformerLayer(std::int64_t width, std::int64_t heads) : heads_(heads) {
    norm1_ = register_module("norm1", layers::LayerNorm(width));
    norm2_ = register_module("norm2", layers::LayerNorm(width));
    qkv_ = register_module("qkv", layers::Linear(width, 3 * width));
    proj_ = register_module("proj", layers::Linear(width, width));
    mlp_in_ = layers::add(*this, "mlp.0", layers::Linear(width, 4 * width));
    mlp_out_ = layers::add(*this, "mlp.2", layers::Linear(4 * width, width));
  }

  torch::Tensor forward(torch::Tensor x) const {
    const auto qkv = qkv_->forward(norm1_->forward(x)).chunk(3, 2);
    x = x + proj_->forward(attend(qkv[0], qkv[1], qkv[2], heads_));
    return x + mlp_out_->forward(torch::gelu(mlp_in_->forward(norm2_->forward(x))));
  }

 private:
  std::int64_t heads_;
  layers::LayerNorm norm1_ = nullptr, norm2_ = nullptr;
  layers::Linear qkv_ = nullptr, proj_ = nullptr, mlp_in_ = nullptr, mlp_out_ = nullptr;
};

WordTransformerImpl::WordTransformerImpl(WordTransformerOptions options) {
  options.check();
  embedding_ = register_module("embedding", layers::Embedding(options.words, options.width));
  position_ = layers::add_parameter(*this, "position", {options.length, options.width});
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_.push_back(layers::add(*this, "layers." + std::to_string(i),
                                  std::make_shared<WordTransformerLayer>(options.width, options.heads)));
  }
  norm_ = register_module("norm", layers::LayerNorm(options.width));
}

torch::Tensor WordTransformerImpl::forward(const torch::Tensor& ids) const {
  if (ids.dim() != 2 || ids.size(1) > position_.size(0)) {
    throw ModelError(c10::str("the text encoder needs (B, length) words with a length of at most ", position_.size(0),
                              "; got ", ids.sizes()));
  }
  torch::Tensor x = embedding_->forward(ids) + position_.slice(0, 0, ids.size(1));
  for (const auto& layer : layers_) {
    x = layer->forward(x);
  }
  return norm_->forward(x);
}

}  // namespace fmboost
