#pragma once

#include <memory>
#include <vector>

#include "fmboost/nn/default_model_options.h"

#include "nn/layers/layers.h"

namespace fmboost {

class WordTransformerLayer;

/// The text encoder of the default bundle, with the parameter names of models/workshop/training/text_networks.py.
class WordTransformerImpl : public torch::nn::Module {
 public:
  explicit WordTransformerImpl(WordTransformerOptions options);
  /// ids (B, length) int64 -> (B, length, width); every word attends to all others.
  torch::Tensor forward(const torch::Tensor& ids) const;

 private:
  layers::Embedding embedding_ = nullptr;
  torch::Tensor position_;
  std::vector<std::shared_ptr<WordTransformerLayer>> layers_;
  layers::LayerNorm norm_ = nullptr;
};
TORCH_MODULE(WordTransformer);

}  // namespace fmboost
