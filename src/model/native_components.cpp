#include "model/native_components.h"

#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"

#include "nn/default_model/conv_autoencoder.h"
#include "nn/default_model/patch_unet.h"
#include "nn/default_model/word_transformer.h"
#include "nn/layers/load_weights.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"

namespace fmboost {
namespace {

// The side of the latents at which an autoencoder is weighed.
constexpr std::int64_t kProbeSide = 8;

template <typename Network>
Network load(Network network, const std::filesystem::path& file, const Placement& placement,
             HalfPrecisionWeights half_weights) {
  load_into(*network, SafetensorsFile(file), placement, "", half_weights);
  network->eval();
  return network;
}

// ImageSource are laid out as load_into() lays out convolutions.
torch::Tensor place(const torch::Tensor& tensor, const Placement& placement) {
  const bool channels_last = placement.device.is_cuda() && tensor.dim() == 4;
  return tensor.to(placement.device, placement.dtype, /*non_blocking=*/false, /*copy=*/false,
                   channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Preserve);
}

torch::Tensor leave(const torch::Tensor& result) {
  return result.to(torch::kFloat32).contiguous();
}

torch::Tensor run(const ClipTextModel& network, const torch::Tensor& ids, std::optional<int> clip_skip) {
  return clip_skip ? network->forward(ids, *clip_skip - 1) : network->forward(ids);
}
torch::Tensor run(const WordTransformer& network, const torch::Tensor& ids, std::optional<int> clip_skip) {
  if (clip_skip) {
    throw ModelError("the text encoder is not CLIP's: its layers cannot be chosen");
  }
  return network->forward(ids);
}

template <typename Network>
class NativeTextEncoder final : public TextEncoder {
 public:
  NativeTextEncoder(Network network, const Placement& placement)
      : network_(std::move(network)), placement_(placement) {}

 private:
  torch::Tensor encode_at(const torch::Tensor& ids, std::optional<int> clip_skip) override {
    const c10::InferenceMode no_gradients;
    return leave(run(network_, ids.to(placement_.device), clip_skip));
  }

  Network network_;
  Placement placement_;
};

torch::Tensor run(const Unet& network, const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& text,
                  const torch::Tensor& guidance) {
  return network->forward(x, t, text, guidance);
}
torch::Tensor run(const PatchUnet& network, const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& text,
                  const torch::Tensor& /*guidance*/) {
  return network->forward(x, t, text);
}

template <typename Network>
class NativeDenoiser final : public Denoiser {
 public:
  NativeDenoiser(Network network, const Placement& placement) : network_(std::move(network)), placement_(placement) {}

  torch::Tensor predict(const torch::Tensor& x, double timestep, const torch::Tensor& text,
                        const torch::Tensor& guidance) override {
    const c10::InferenceMode no_gradients;
    // Float32: bfloat16 cannot distinguish 998 from 999.
    const torch::Tensor t =
        torch::full({x.size(0)}, timestep, torch::TensorOptions().dtype(torch::kFloat32).device(placement_.device));
    return leave(run(network_, place(x, placement_), t, place(text, placement_),
                     guidance.defined() ? place(guidance, placement_) : guidance));
  }

 private:
  Network network_;
  Placement placement_;
};

torch::Tensor mode_of(const GaussianPosterior& posterior) {
  return posterior.mode();
}
torch::Tensor mode_of(const torch::Tensor& latent) {
  return latent;
}

// What attention over all latent pixels holds for each pixel: its input as it is and as tokens, queries, keys, values
// and the result.
double attention_numbers(const AutoencoderKl& network) {
  const AutoencoderKlOptions& options = network->options();
  const auto pixels = static_cast<double>(options.factor() * options.factor());
  return options.mid_block_add_attention ? 6 * static_cast<double>(options.block_out_channels.back()) / pixels : 0;
}
template <typename Network>
double attention_numbers(const Network& /*network*/) {
  return 0;
}

template <typename Network>
class NativeAutoencoder final : public StripAutoencoder {
 public:
  NativeAutoencoder(Network network, const AutoencoderEntry& entry, const Placement& placement)
      : network_(std::move(network)), scale_(entry.scale), shift_(entry.shift), placement_(placement) {
    attention_numbers_ = attention_numbers(network_);
    const std::int64_t side = kProbeSide * entry.factor;
    const auto encoding = peak_tensor_memory(placement.device, [&] { encode(torch::zeros({1, 3, side, side})); });
    const auto decoding = peak_tensor_memory(placement.device, [&] {
      decode(torch::zeros({1, entry.latent_channels, kProbeSide, kProbeSide}));
    });
    bytes_per_pixel_ = static_cast<double>(std::max(encoding, decoding)) / static_cast<double>(side * side);
  }

  torch::Tensor encode(const torch::Tensor& pixels) override { return encode(pixels, nullptr); }
  torch::Tensor decode(const torch::Tensor& latent) override { return decode(latent, nullptr); }
  torch::Tensor encode_in_strips(const torch::Tensor& pixels, const StripLimits& limits) override {
    return encode(pixels, &limits);
  }
  torch::Tensor decode_in_strips(const torch::Tensor& latent, const StripLimits& limits) override {
    return decode(latent, &limits);
  }
  double bytes_per_pixel() const override { return bytes_per_pixel_; }
  double bytes_per_pixel_in_strips() const override {
    constexpr double kImage = 2 * 3 * sizeof(float);  // as it is given and as it is placed
    return kImage + attention_numbers_ * static_cast<double>(torch::elementSize(placement_.dtype));
  }

 private:
  torch::Tensor encode(const torch::Tensor& pixels, const StripLimits* strips) {
    const c10::InferenceMode no_gradients;
    return (leave(mode_of(network_->encode(place(pixels, placement_), strips))) - shift_) * scale_;
  }
  torch::Tensor decode(const torch::Tensor& latent, const StripLimits* strips) {
    const c10::InferenceMode no_gradients;
    return leave(network_->decode(place(latent / scale_ + shift_, placement_), strips));
  }

  Network network_;
  double scale_, shift_;
  Placement placement_;
  double bytes_per_pixel_ = 0;
  double attention_numbers_ = 0;  ///< per pixel
};

// The network class of a configuration.
ClipTextModel make_network(const ClipTextOptions& options) {
  return ClipTextModel(options);
}
WordTransformer make_network(const WordTransformerOptions& options) {
  return WordTransformer(options);
}
Unet make_network(const UnetOptions& options) {
  return Unet(options);
}
PatchUnet make_network(const PatchUnetOptions& options) {
  return PatchUnet(options);
}
AutoencoderKl make_network(const AutoencoderKlOptions& options) {
  return AutoencoderKl(options);
}
AutoencoderTiny make_network(const AutoencoderTinyOptions& options) {
  return AutoencoderTiny(options);
}
ConvAutoencoder make_network(const ConvAutoencoderOptions& options) {
  return ConvAutoencoder(options);
}

// Calls `use` with the network of an entry, before its weights are read.
template <typename Result, typename Entry, typename Use>
Result with_network(const Entry& entry, const Use& use) {
  return std::visit(
      [&](const auto& options) -> Result {
        if constexpr (std::is_same_v<std::decay_t<decltype(options)>, TorchScriptNetwork>) {
          throw ModelError("a TorchScript program is not a native network");
        } else {
          return use(make_network(options));
        }
      },
      entry.network);
}

template <typename Entry>
void check_file(const std::filesystem::path& file, const Entry& entry) {
  with_network<void>(entry, [&](const auto& network) { check_weights(*network, SafetensorsFile(file)); });
}

}  // namespace

std::unique_ptr<TextEncoder> make_native_text_encoder(const std::filesystem::path& file, const TextEncoderEntry& entry,
                                                      const Placement& placement) {
  return with_network<std::unique_ptr<TextEncoder>>(entry, [&](auto network) {
    return std::make_unique<NativeTextEncoder<decltype(network)>>(
        load(network, file, placement, HalfPrecisionWeights::stay), placement);
  });
}

std::unique_ptr<Denoiser> make_native_denoiser(const std::filesystem::path& file, const DenoiserEntry& entry,
                                               const Placement& placement) {
  return with_network<std::unique_ptr<Denoiser>>(entry, [&](auto network) {
    return std::make_unique<NativeDenoiser<decltype(network)>>(
        load(network, file, placement, HalfPrecisionWeights::stay), placement);
  });
}

std::unique_ptr<Autoencoder> make_native_autoencoder(const std::filesystem::path& file, const AutoencoderEntry& entry,
                                                     const Placement& placement) {
  return with_network<std::unique_ptr<Autoencoder>>(entry, [&](auto network) {
    // Cast here, since the memory that casts take would be weighed with the images'.
    return std::make_unique<NativeAutoencoder<decltype(network)>>(
        load(network, file, placement, HalfPrecisionWeights::cast), entry, placement);
  });
}

void check_native_weights(const std::filesystem::path& file, const TextEncoderEntry& entry) {
  check_file(file, entry);
}

void check_native_weights(const std::filesystem::path& file, const DenoiserEntry& entry) {
  check_file(file, entry);
}

void check_native_weights(const std::filesystem::path& file, const AutoencoderEntry& entry) {
  check_file(file, entry);
}

}  // namespace fmboost
