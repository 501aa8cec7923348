#include "fmboost/import/detect_weights.h"

#include <algorithm>
#include <string_view>

#include "import/imported_model.h"

namespace fmboost {
namespace {

using Shape = std::vector<std::int64_t>;

// Name fragments that distinguish a kind of file from the ones after it in the list. "^" anchors a fragment to the
// start of the name.
struct Signature {
  std::vector<std::string_view> any_of;
  Recognition recognition;
};

const char* const kNothing = "it is not supported";
const char* const kUpscales = "`fmboost upscale` uses it as a model, and `fmboost import` makes a bundle of it";

const std::vector<Signature>& signatures() {
  using enum WeightKind;
  static const std::vector<Signature> kSignatures = {
      {{"lora_down.", "lora_A.", "lora.down.", "lora_linear_layer.down."},
       {lora, "a LoRA", "`fmboost import` merges it (`lora`) into the model that it was made for"}},
      {{".hada_w1", ".lokr_w1", ".oft_blocks", ".on_input"},
       {other_adapter, "a LyCORIS adapter other than LoRA (LoHa, LoKr, OFT or IA3)", kNothing}},
      {{"^control_model.", "^controlnet_cond_embedding.", "^controlnet_", "^input_hint_block."},
       {other_adapter, "a ControlNet", kNothing}},
      {{"^ip_adapter.", "^image_proj.", "motion_modules.", "^adapter.body."},
       {other_adapter, "an adapter for images or motion (IP-Adapter, T2I-Adapter or AnimateDiff)", kNothing}},
      {{"^emb_params", "^string_to_param", "^clip_l", "^<"}, {other_adapter, "a textual inversion", kNothing}},
      {{"^conditioner.embedders.", "diffusion_model.label_emb.", "^add_embedding.", "^unet.add_embedding."},
       {other_model, "a Stable Diffusion XL model", kMissingForXl}},
      {{"double_blocks.", "^single_transformer_blocks.", "^txt_in.", "^model.diffusion_model.txt_in."},
       {other_model, "a Flux model", kNothing}},
      {{"joint_blocks.", ".attn.add_q_proj.", "^text_encoders.t5xxl.", "^context_embedder."},
       {other_model, "a Stable Diffusion 3 model", kNothing}},
      {{".rdb1.conv1.", ".RDB1.conv1."}, {upscaler, "an upscaling network for pixels (ESRGAN, RRDBNet)", kUpscales}},
      {{"residual_group.blocks.", "^upsample.0."},
       {other_model, "an upscaling network for pixels (SwinIR)", kNothing}},
      {{"decoder.layers.1.", "encoder.layers.0.weight", "decoder.layers.3.conv.", "^taesd_decoder."},
       {tiny_autoencoder, "a tiny autoencoder (TAESD)",
        "`fmboost import` replaces a model's autoencoder with it (`vae`)"}},
      {{"^1.conv.0.", "^3.conv.0.", "^2.conv.0.", "^4.conv.0."},
       {component, "one half of a tiny autoencoder (TAESD) in its original layout",
        "`fmboost import` needs the diffusers file, which contains both halves (`vae`)"}},
      {{"^text_model.encoder.", "^encoder.layers.0.self_attn.", "^transformer.resblocks.", "^text_projection."},
       {component, "a CLIP text encoder alone", "import the whole model that it belongs to"}},
      {{"^encoder.block.0.layer.0.", "^shared.weight", "^enc.blk.0.", "^t5xxl."},
       {component, "a T5 text encoder", kNothing}},
  };
  return kSignatures;
}

class Tensors {
 public:
  explicit Tensors(const TensorShapes& tensors) : tensors_(tensors) {}

  bool has(const std::string& name) const { return tensors_.contains(name); }
  bool has_prefix(const std::string& prefix) const {
    const auto found = tensors_.lower_bound(prefix);
    return found != tensors_.end() && found->first.starts_with(prefix);
  }
  bool matches(std::string_view pattern) const {
    if (pattern.starts_with('^')) {
      return has_prefix(std::string(pattern.substr(1)));
    }
    return std::any_of(tensors_.begin(), tensors_.end(),
                       [&](const auto& item) { return item.first.find(pattern) != std::string::npos; });
  }
  // The size of a dimension; 0 if there is no such tensor or dimension.
  std::int64_t size(const std::string& name, std::size_t dimension) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() || dimension >= found->second.size() ? 0 : found->second[dimension];
  }
  // 0 if there is no such tensor.
  std::size_t dimensions(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? 0 : found->second.size();
  }
  // The last dimension of the first tensor with this suffix; 0 if there is none.
  std::int64_t width_of(const std::string& end) const {
    const auto found = std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& item) {
      return item.first.ends_with(end) && !item.second.empty();
    });
    return found == tensors_.end() ? 0 : found->second.back();
  }

 private:
  const TensorShapes& tensors_;
};

// The input channels of the UNet, in any layout and under any prefix; 0 if there is none.
std::int64_t unet_channels(const Tensors& tensors, std::string& prefix) {
  for (const char* known : {"model.diffusion_model.", "unet.", ""}) {
    prefix = known;
    if (tensors.has(prefix + "input_blocks.0.0.weight")) {
      return tensors.size(prefix + "input_blocks.0.0.weight", 1);
    }
    if (tensors.has(prefix + "conv_in.weight") && tensors.has(prefix + "time_embedding.linear_1.weight")) {
      return tensors.size(prefix + "conv_in.weight", 1);
    }
  }
  return 0;
}

bool has_text_encoder(const Tensors& tensors) {
  return tensors.has_prefix("cond_stage_model.") || tensors.has_prefix("text_encoder.") || tensors.has_prefix("te.");
}

Recognition with_unet(const Tensors& tensors, const std::string& prefix, std::int64_t channels) {
  const std::int64_t width = tensors.width_of("attn2.to_k.weight");
  const std::string version = width == 768 ? "1 " : width == 1024 ? "2 " : "";
  const std::string model = "a Stable Diffusion " + version;
  if (channels == 9) {
    return {WeightKind::other_model, model + "inpainting model", kNothing};
  }
  if (channels == 8 || channels == 5 || channels == 7) {
    const std::string kind = channels == 8   ? "model that edits images (InstructPix2Pix)"
                             : channels == 5 ? "model with depth"
                                             : "upscaling model";
    return {WeightKind::other_model, model + kind, kNothing};
  }
  const bool consistency =
      tensors.has(prefix + "time_embed.cond_proj.weight") || tensors.has(prefix + "time_embedding.cond_proj.weight");
  const std::string suffix = consistency ? " with LCM's guidance embedding" : "";
  if (!has_text_encoder(tensors)) {
    return {WeightKind::component, "the UNet of " + model + "model" + suffix + ", alone",
            "put it into the folder of the model that it belongs to, as unet/diffusion_pytorch_model.safetensors"};
  }
  return {WeightKind::stable_diffusion, model + "checkpoint" + suffix, "`fmboost import` makes a bundle of it"};
}

bool is_autoencoder(const Tensors& tensors) {
  for (const char* prefix : {"", "first_stage_model.", "vae."}) {
    if (tensors.has(std::string(prefix) + "decoder.conv_in.weight")) {
      return true;
    }
  }
  return false;
}

}  // namespace

Recognition detect_weights(const TensorShapes& shapes) {
  const Tensors tensors(shapes);
  if (tensors.has("time_embed.0.weight") && tensors.has("middle_block.1.qkv.weight")) {
    return {WeightKind::coupling, "a coupling network", "`fmboost import` adds it to a bundle (`cfm`)"};
  }
  for (const char* prefix : {"", "params.", "params_ema."}) {
    const std::string body = std::string(prefix) + "body.";
    if (tensors.dimensions(body + "0.weight") == 4 && tensors.dimensions(body + "1.weight") == 1) {
      return {WeightKind::upscaler, "an upscaling network for pixels (Real-ESRGAN, SRVGGNetCompact)", kUpscales};
    }
  }
  for (const auto& signature : signatures()) {
    if (std::any_of(signature.any_of.begin(), signature.any_of.end(),
                    [&](std::string_view pattern) { return tensors.matches(pattern); })) {
      return signature.recognition;
    }
  }
  std::string prefix;
  if (const std::int64_t channels = unet_channels(tensors, prefix); channels != 0) {
    return with_unet(tensors, prefix, channels);
  }
  if (tensors.has_prefix("model_ema.")) {
    return {WeightKind::other_model, "a checkpoint that holds only the averaged weights (EMA), in a training layout",
            "use the file of the model that was published with the plain weights"};
  }
  if (is_autoencoder(tensors)) {
    return {WeightKind::autoencoder, "an autoencoder (AutoencoderKL) alone",
            "`fmboost import` replaces a model's autoencoder with it (`vae`)"};
  }
  return {WeightKind::unknown, "of an unknown kind", kNothing};
}

}  // namespace fmboost
