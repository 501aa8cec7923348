#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): a layer's weight W becomes W + weight * alpha / rank * up
/// down.

/// The factors of one layer's change: two, or three of a convolution's (LoCon's CP decomposition, arXiv 2309.14859).
struct LoraLayer {
  Weight down;                   ///< (rank, in), or (rank, in, k, k) of a convolution, (rank, in, 1, 1) with `mid`
  Weight mid;                    ///< (rank, rank, k, k); its `read` is empty where there is none
  Weight up;                     ///< (out, rank), or (out, rank, 1, 1)
  std::optional<double> alpha;   ///< none: the rank
  bool rank_stabilised = false;  ///< alpha / sqrt(rank) instead (arXiv 2312.03732)
};

struct Lora {
  std::filesystem::path file;
  std::map<std::string, LoraLayer> layers;  ///< by the name that the file gives the layer
  /// Made for LCM (arXiv 2311.05556), as its name or its metadata say; its tensors look like any other's.
  bool for_consistency = false;
};

/// Reads the names of kohya's scripts and LyCORIS ("lora_unet_...", "lora_te_..."), of PEFT ("lora_A") and of diffusers
/// old and new
/// ("lora.down", "to_q_lora.down"); alpha from the tensors, the metadata or adapter_config.json beside the file.
/// Throws ModelError naming the tensors where the file is no LoRA, another kind of adapter (which one), or half of one.
Lora open_lora(const std::filesystem::path& file);

/// Lets the tensors of the UNet and the text encoder (under diffusers' and transformers' names) change as `lora` says
/// when they are read. Throws ModelError naming layers that have no place in the model, or another shape there.
void merge_lora(const Lora& lora, double weight, Weights& unet, Weights& text_encoder);

}  // namespace fmboost
