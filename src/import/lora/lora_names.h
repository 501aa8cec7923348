#pragma once

#include <map>
#include <string>

#include "import/weights.h"

namespace fmboost {

/// The layers of a model under all names that adapters give them.
class LoraLayerIndex {
 public:
  /// `unet` and `text_encoder` have the names of diffusers and transformers, and must outlive the index.
  LoraLayerIndex(Weights& unet, Weights& text_encoder);

  /// The weight that a layer of an adapter changes; null if there is none. Known are the names of diffusers and of the
  /// original layout ("input_blocks.1.1..."), with dots or underscores, behind the prefixes of kohya's scripts,
  /// LyCORIS, PEFT, diffusers and ComfyUI.
  Weight* find(std::string layer) const;

 private:
  using Index = std::map<std::string, Weight*>;

  void add_unet(Weights& unet);
  void add_text(Weights& text);

  Index unet_, text_;
};

}  // namespace fmboost
