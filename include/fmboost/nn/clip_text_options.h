#pragma once

#include <cstdint>
#include <string>

namespace fmboost {

/// Options of the text encoder of CLIP, named as in transformers' CLIPTextConfig. The defaults are those of Stable
/// Diffusion 1.5 (ViT-L/14).
struct ClipTextOptions {
  std::int64_t vocab_size = 49408;
  std::int64_t hidden_size = 768;
  std::int64_t intermediate_size = 3072;
  std::int64_t num_hidden_layers = 12;
  std::int64_t num_attention_heads = 12;
  std::int64_t max_position_embeddings = 77;
  std::string hidden_act = "quick_gelu";  ///< or "gelu"
  double layer_norm_eps = 1e-5;
  std::int64_t clip_skip = 0;  ///< last layers to omit; the final norm follows the remaining ones

  /// Throws ModelError naming the field that is out of range.
  void check() const;
};

}  // namespace fmboost
