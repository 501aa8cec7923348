#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "fmboost/diffusion/noise_schedule.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/flow/path.h"
#include "fmboost/nn/autoencoder_options.h"
#include "fmboost/nn/cfm_unet_options.h"
#include "fmboost/nn/clip_text_options.h"
#include "fmboost/nn/default_model_options.h"
#include "fmboost/nn/unet_options.h"

namespace fmboost {

/// A file that a bundle names: a path inside the bundle's folder and the SHA-256 of its content.
struct BundleFile {
  std::string file;
  std::string sha256;
};

/// A file that says itself what it computes, the backend "torchscript". The other alternatives of a part's `network`
/// are configurations of native networks, whose file holds weights only.
struct TorchScriptNetwork {};

/// Whether an entry's network is one that this library computes itself. `Entry`: of a text encoder, a denoiser or an
/// autoencoder.
template <typename Entry>
bool is_native(const Entry& entry) {
  return !std::holds_alternative<TorchScriptNetwork>(entry.network);
}

struct TokenizerEntry {
  std::string type;          ///< "clip-bpe" or "words"
  BundleFile vocab, merges;  ///< clip-bpe
  BundleFile words;          ///< words
  std::int64_t max_length = 77;
  std::int64_t start = 49406, end = 49407, pad = 49407;  ///< clip-bpe; `pad` of words is 0 unless said
  std::int64_t null = 1;                                 ///< words
};

struct TextEncoderEntry {
  BundleFile program;
  std::int64_t width = 0;
  std::variant<TorchScriptNetwork, ClipTextOptions, WordTransformerOptions> network = {};
};

struct DenoiserEntry {
  BundleFile program;
  Prediction prediction = Prediction::epsilon;
  NoiseScheduleOptions schedule;
  std::int64_t latent_channels = 4;
  std::int64_t native_size = 512;                  ///< pixels a side that it was trained at
  std::int64_t size_multiple = 64;                 ///< sides in pixels must be multiples of this
  std::optional<std::int64_t> guidance_embedding;  ///< width of the guidance input; none: classifier-free guidance
  std::string default_sampler = "ddim";
  int default_steps = 25;
  double default_guidance = 7.5;
  bool default_karras = false;
  std::variant<TorchScriptNetwork, UnetOptions, PatchUnetOptions> network;
};

struct AutoencoderEntry {
  BundleFile encoder, decoder;  ///< the same file where the network is native
  std::int64_t factor = 8;
  std::int64_t latent_channels = 4;
  double scale = 1.0;  ///< scaled latent = (latent - shift) * scale
  double shift = 0.0;
  std::variant<TorchScriptNetwork, AutoencoderKlOptions, AutoencoderTinyOptions, ConvAutoencoderOptions> network;
};

/// Who made the image that is upscaled. A coupling may be trained for one kind: a photograph wants the detail that it
/// had, an image drawn by a small diffusion model wants its faults mended.
enum class ImageSource {
  any,
  generated,  ///< drawn by the denoiser of the same bundle
  external    ///< everything else: existing images, and those that other models drew
};

/// "any", "generated" or "external". Throws UsageError for other names.
ImageSource parse_image_source(const std::string& name);
std::string image_source_name(ImageSource source);

struct CouplingEntry {
  BundleFile weights;
  std::int64_t factor = 2;  ///< how much larger its result is
  ImageSource applies_to = ImageSource::any;
  CfmUnetOptions network;
  PathKind path = PathKind::linear;
  Upsampling upsampling = Upsampling::pixel;
  std::string solver = "euler";
  int steps = 4;
  int noising_step = 400;
  std::optional<int> noising_step_max;  ///< it was trained with every step from 0 to this one
  bool start_from_noise = false;
  int back_projection = 0;                   ///< rounds for existing images
  std::optional<double> generated_fidelity;  ///< 0..1, for generated images where nobody says another

  bool upscales(ImageSource source) const { return applies_to == ImageSource::any || applies_to == source; }
};

/// bundle.json, checked. Format: docs/bundle.md.
struct Manifest {
  std::string name;
  std::string license;
  std::string source;
  std::optional<TokenizerEntry> tokenizer;
  std::optional<TextEncoderEntry> text_encoder;
  std::optional<DenoiserEntry> denoiser;
  std::optional<AutoencoderEntry> autoencoder;
  std::vector<CouplingEntry> couplings;
  std::vector<std::string> examples;  ///< good prompts, a line each
  /// Folder inside this one: another bundle, whose autoencoder and couplings upscale; empty: none.
  std::string upscaler;

  /// Every file named, couplings that share one file included once.
  std::vector<BundleFile> files() const;
};

/// Parses and checks a bundle.json: format, version, types, ranges, and channels and factors against each other.
/// `origin` names the file in messages. Throws ModelError naming the field, what was expected and what was found.
Manifest parse_manifest(const std::string& text, const std::string& origin);

}  // namespace fmboost
