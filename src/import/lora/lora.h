#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): the weight W of a layer becomes
/// W + weight * alpha / rank * up down. The adapters of LyCORIS (arXiv 2309.14859) replace the product: LoHa by
/// (w1_a w1_b) * (w2_a w2_b), element by element, LoKr by the Kronecker product of w1 and w2. With DoRA (arXiv
/// 2402.09353), W + alpha / rank * up down is then scaled row by row or column by column to given norms.

/// The factors of the change of one layer, by their roles:
///   down (rank, in) or (rank, in, k, k), mid (rank, rank, k, k; LoCon's CP decomposition, or missing), up (out, rank);
///   hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b, hada_t1, hada_t2; lokr_w1 or lokr_w1_a and lokr_w1_b, lokr_w2 or
///   lokr_w2_a and lokr_w2_b, lokr_t2; dora_scale, or magnitude (PEFT's DoRA: one norm per output).
struct LoraLayer {
  std::map<std::string, Weight> factors;
  std::optional<double> alpha;   ///< none: equal to the rank
  bool rank_stabilized = false;  ///< alpha / sqrt(rank) instead (arXiv 2312.03732)

  bool has(const std::string& role) const { return factors.contains(role); }
  const Weight& at(const std::string& role) const { return factors.at(role); }
};

/// An adapter that distills a model to a few steps, and the sampling that it was made for.
struct FewSteps {
  std::string what;          ///< "an LCM-LoRA"
  std::string sampler;       ///< name of the sampler
  bool trailing = false;     ///< needs trailing timesteps
  std::optional<int> steps;  ///< as in the name; none: the sampler's default
};

struct Lora {
  std::filesystem::path file;
  std::map<std::string, LoraLayer> layers;  ///< by the layer name in the file
  /// LCM (arXiv 2311.05556), TCD, Hyper-SD or PCM, according to the name or the metadata; the tensors do not tell.
  std::optional<FewSteps> few_steps;
};

/// Reads a LoRA with the names of kohya's scripts and LyCORIS ("lora_unet_...", "lora_te_...", "lycoris_..."), of PEFT
/// ("lora_A") and of old and new diffusers ("lora.down", "to_q_lora.down"); alpha from the tensors, the metadata or
/// adapter_config.json in the same folder. Throws ModelError naming the tensors if the file is not a LoRA, is another
/// kind of adapter, or is incomplete.
Lora open_lora(const std::filesystem::path& file);

/// Recognizes an adapter for few steps by the words lcm, tcd, pcm and Hyper-SD in the name of its file, in its title,
/// name or tags, or, for files with a generic name, in that of a folder named after a LoRA.
std::optional<FewSteps> few_steps_of(const std::filesystem::path& file,
                                     const std::map<std::string, std::string>& metadata);

/// Which factor an adapter's layer lacks; empty if it is complete.
std::string missing_factor(const LoraLayer& layer);

/// How the factors disagree with the shape of the layer's weight: "is [6, 2] times [2, 4] where the layer is [6, 5]";
/// empty if they fit.
std::string misfit(const LoraLayer& layer, const std::vector<std::int64_t>& shape);

/// Changes a weight in float32, in place. At a `weight` other than 1, DoRA's result is interpolated with the original.
std::function<void(torch::Tensor&)> change_of(const LoraLayer& layer, double weight);

/// Adds the changes of `lora` to the tensors of the UNet and the text encoder (with the names of diffusers and
/// transformers), to be applied when they are read. Throws ModelError naming layers that are missing from the model or
/// have another shape there.
void merge_lora(const Lora& lora, double weight, Weights& unet, Weights& text_encoder);

}  // namespace fmboost
