#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): the weight W of a layer becomes
/// W + weight * alpha / rank * up down.

/// The factors of the change of one layer: two, or three for a convolution (CP decomposition of LoCon, arXiv
/// 2309.14859).
struct LoraLayer {
  Weight down;                   ///< (rank, in); for a convolution (rank, in, k, k), or (rank, in, 1, 1) with `mid`
  Weight mid;                    ///< (rank, rank, k, k); `read` is empty if there is none
  Weight up;                     ///< (out, rank), or (out, rank, 1, 1)
  std::optional<double> alpha;   ///< none: equal to the rank
  bool rank_stabilized = false;  ///< alpha / sqrt(rank) instead (arXiv 2312.03732)
};

struct Lora {
  std::filesystem::path file;
  std::map<std::string, LoraLayer> layers;  ///< by the layer name in the file
  /// Whether it is an LCM-LoRA (arXiv 2311.05556), according to its name or metadata; the tensors do not tell.
  bool for_consistency = false;
};

/// Reads a LoRA with the names of kohya's scripts and LyCORIS ("lora_unet_...", "lora_te_..."), of PEFT ("lora_A") and
/// of old and new diffusers ("lora.down", "to_q_lora.down"); alpha from the tensors, the metadata or
/// adapter_config.json in the same folder. Throws ModelError naming the tensors if the file is not a LoRA, is another
/// kind of adapter, or is incomplete.
Lora open_lora(const std::filesystem::path& file);

/// Adds the changes of `lora` to the tensors of the UNet and the text encoder (with the names of diffusers and
/// transformers), to be applied when they are read. Throws ModelError naming layers that are missing from the model or
/// have another shape there.
void merge_lora(const Lora& lora, double weight, Weights& unet, Weights& text_encoder);

}  // namespace fmboost
