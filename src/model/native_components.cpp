#include "model/native_components.h"

#include <algorithm>

#include "fmboost/core/error.h"

#include "nn/default_model/conv_autoencoder.h"
#include "nn/default_model/patch_unet.h"
#include "nn/default_model/word_transformer.h"
#include "nn/esrgan/rrdb_net.h"
#include "nn/esrgan/srvgg_net.h"
#include "nn/layers/load_weights.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"

namespace fmboost {
namespace {

template <typename Network>
Network load(Network network, const std::filesystem::path& file, const Placement& placement,
             HalfPrecisionWeights half_weights) {
  load_into(*network, SafetensorsFile(file), placement, "", half_weights);
  network->eval();
  return network;
}

// Images get the memory layout that load_into() gives convolutions.
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
    throw ModelError("the text encoder is not a CLIP model, so its layer cannot be chosen with `clip_skip`");
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
    // Float32: 998 and 999 are the same number in bfloat16.
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

constexpr double kImageChannels = 3;

// The image is float32 wherever it enters or leaves the network, whatever dtype the network computes in.
template <typename Network>
double whole_image_bytes(const Network& network, torch::ScalarType dtype) {
  const auto element = static_cast<double>(torch::elementSize(dtype));
  const double copy = dtype == torch::kFloat32 ? 0 : kImageChannels * element;
  return network->peak_activations_per_pixel() * element + copy + kImageChannels * sizeof(float);
}

// Activations per pixel that attention over all latent pixels holds: its input as an image and as tokens, queries,
// keys, values and the result.
double attention_activations(const AutoencoderKl& network) {
  const AutoencoderKlOptions& options = network->options();
  const auto pixels = static_cast<double>(options.factor() * options.factor());
  return options.mid_block_add_attention ? 6 * static_cast<double>(options.block_out_channels.back()) / pixels : 0;
}
template <typename Network>
double attention_activations(const Network& /*network*/) {
  return 0;
}

template <typename Network>
class NativeAutoencoder final : public StripAutoencoder {
 public:
  NativeAutoencoder(Network network, const AutoencoderEntry& entry, const Placement& placement)
      : network_(std::move(network)),
        scale_(entry.scale),
        shift_(entry.shift),
        placement_(placement),
        bytes_per_pixel_(whole_image_bytes(network_, placement.dtype)) {}

  torch::Tensor encode(const torch::Tensor& pixels) override { return encode(pixels, nullptr); }
  torch::Tensor decode(const torch::Tensor& latent) override { return decode(latent, nullptr); }
  torch::Tensor encode_in_strips(const torch::Tensor& pixels, const StripLimits& limits) override {
    return encode(pixels, &limits);
  }
  torch::Tensor decode_in_strips(const torch::Tensor& latent, const StripLimits& limits) override {
    return decode(latent, &limits);
  }
  double bytes_per_pixel() const override { return bytes_per_pixel_; }

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
  double bytes_per_pixel_;
};

template <typename Network>
class NativePixelUpscaler final : public PixelUpscaler {
 public:
  NativePixelUpscaler(Network network, const Placement& placement)
      : network_(std::move(network)), placement_(placement) {}

  torch::Tensor upscale(const torch::Tensor& pixels, const StripLimits* strips) override {
    const c10::InferenceMode no_gradients;
    return leave(network_->forward(place(pixels, placement_), strips));
  }

 private:
  Network network_;
  Placement placement_;
};

// The network of a configuration, without weights.
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

RrdbNet make_network(const RrdbNetOptions& options) {
  return RrdbNet(options);
}
SrvggNet make_network(const SrvggNetOptions& options) {
  return SrvggNet(options);
}

// Calls `use` with the network of an entry. Its weights are not read.
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
    // Cast once here: casts at every use would add to the memory of large images.
    return std::make_unique<NativeAutoencoder<decltype(network)>>(
        load(network, file, placement, HalfPrecisionWeights::cast), entry, placement);
  });
}

std::unique_ptr<PixelUpscaler> make_pixel_upscaler(const std::filesystem::path& file, const PixelUpscalerEntry& entry,
                                                   const Placement& placement) {
  return with_network<std::unique_ptr<PixelUpscaler>>(entry, [&](auto network) -> std::unique_ptr<PixelUpscaler> {
    return std::make_unique<NativePixelUpscaler<decltype(network)>>(
        load(network, file, placement, HalfPrecisionWeights::cast), placement);
  });
}

double estimate_bytes_per_pixel(const PixelUpscalerEntry& entry, torch::ScalarType dtype) {
  return std::visit([](const auto& options) { return peak_activations(options); }, entry.network) *
         static_cast<double>(torch::elementSize(dtype));
}

std::optional<AutoencoderMemory> estimate_memory(const AutoencoderEntry& entry, torch::ScalarType dtype) {
  if (!is_native(entry)) {
    return std::nullopt;
  }
  return with_network<AutoencoderMemory>(entry, [&](const auto& network) {
    constexpr double kImageTwice = 2 * kImageChannels * sizeof(float);  // as it is given and as the network takes it
    const double attention = attention_activations(network) * static_cast<double>(torch::elementSize(dtype));
    return AutoencoderMemory{.bytes_per_pixel = whole_image_bytes(network, dtype),
                             .strip_bytes_per_pixel = kImageTwice + attention};
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

void check_native_weights(const std::filesystem::path& file, const PixelUpscalerEntry& entry) {
  check_file(file, entry);
}

}  // namespace fmboost
