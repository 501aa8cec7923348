#pragma once

#include <memory>
#include <optional>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <vector>

#include "fmboost/nn/clip_text_options.h"

namespace fmboost {

class ClipTextEmbeddings;
class ClipTextLayer;
namespace layers {
class LayerNormImpl;
}

/// The text transformer of CLIP (arXiv 2103.00020), whose parameters have the names of transformers'
/// CLIPTextModel, and no values until load_into() reads them.
class ClipTextModelImpl : public torch::nn::Module {
 public:
  explicit ClipTextModelImpl(ClipTextOptions options);

  /// ids (B, length) int64, length at most max_position_embeddings -> (B, length, hidden_size): the states before any
  /// projection, after the final norm. Every token attends to itself and those before it. `omitted`: the number of last
  /// layers to omit, instead of options().clip_skip. Throws ModelError for too many ids and for missing layers.
  torch::Tensor forward(const torch::Tensor& ids, std::optional<std::int64_t> omitted = {}) const;

  const ClipTextOptions& options() const { return options_; }

 private:
  ClipTextOptions options_;
  std::shared_ptr<ClipTextEmbeddings> embeddings_;
  std::vector<std::shared_ptr<ClipTextLayer>> layers_;
  std::shared_ptr<layers::LayerNormImpl> final_layer_norm_;
};
TORCH_MODULE(ClipTextModel);

}  // namespace fmboost
