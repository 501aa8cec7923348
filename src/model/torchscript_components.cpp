#include "model/torchscript_components.h"

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"

#include "model/torchscript.h"

namespace fmboost {
namespace {

// Timesteps stay in float32: bfloat16 cannot distinguish 998 from 999.
constexpr std::size_t kTimestepInput = 1;

// The side of the latents for probing programs: small, but large enough for three downsamplings.
constexpr std::int64_t kProbeLatentSide = 8;

class TorchScriptTextEncoder final : public TextEncoder {
 public:
  TorchScriptTextEncoder(const std::filesystem::path& file, const TextEncoderEntry& entry, std::int64_t max_length,
                         const Placement& placement)
      : program_(file, kTextEncoderInputs, placement) {
    program_.probe({torch::zeros({1, max_length}, torch::kInt64)}, {1, max_length, entry.width});
  }

 private:
  torch::Tensor encode_at(const torch::Tensor& ids, std::optional<int> clip_skip) override {
    if (clip_skip) {
      throw ModelError("the text encoder is a TorchScript program, whose layers cannot be selected");
    }
    return program_.run({ids});
  }

  TorchScriptProgram program_;
};

class TorchScriptDenoiser final : public Denoiser {
 public:
  TorchScriptDenoiser(const std::filesystem::path& file, const DenoiserEntry& entry, std::int64_t factor,
                      std::int64_t max_length, std::int64_t width, const Placement& placement)
      : program_(file, denoiser_inputs(entry), placement) {
    const std::int64_t side = entry.size_multiple / factor;
    const std::vector<std::int64_t> shape{1, entry.latent_channels, side, side};
    std::vector<torch::Tensor> inputs{torch::zeros(shape), torch::zeros({1}), torch::zeros({1, max_length, width})};
    if (entry.guidance_embedding) {
      inputs.push_back(torch::zeros({1, *entry.guidance_embedding}));
    }
    program_.probe(inputs, shape, {kTimestepInput});
  }

  torch::Tensor predict(const torch::Tensor& x, double timestep, const torch::Tensor& text,
                        const torch::Tensor& guidance) override {
    const torch::Tensor t = torch::full({x.size(0)}, timestep, torch::kFloat32);
    std::vector<torch::Tensor> inputs{x, t, text};
    if (guidance.defined()) {
      inputs.push_back(guidance);
    }
    torch::Tensor prediction = program_.run(inputs, {kTimestepInput});
    if (prediction.sizes() != x.sizes()) {
      throw ModelError(c10::str("the denoiser returned ", prediction.sizes(), " for latents of ", x.sizes(),
                                "; its program does not support this batch or size"));
    }
    return prediction;
  }

 private:
  TorchScriptProgram program_;
};

class TorchScriptAutoencoder final : public Autoencoder {
 public:
  TorchScriptAutoencoder(const std::filesystem::path& encoder, const std::filesystem::path& decoder,
                         const AutoencoderEntry& entry, const Placement& placement)
      : encoder_(encoder, kAutoencoderInputs, placement),
        decoder_(decoder, kAutoencoderInputs, placement),
        entry_(entry) {
    const std::int64_t side = kProbeLatentSide * entry.factor;
    const std::vector<std::int64_t> latent{1, entry.latent_channels, kProbeLatentSide, kProbeLatentSide};
    const auto pixels = static_cast<double>(side * side);
    // Both are weighed while they are probed; the larger one decides what fits into memory.
    const auto encoding = peak_tensor_memory(placement.device, [&] {
      encoder_.probe({torch::zeros({1, 3, side, side})}, latent);
    });
    const auto decoding = peak_tensor_memory(placement.device, [&] {
      decoder_.probe({torch::zeros(latent)}, {1, 3, side, side});
    });
    bytes_per_pixel_ = static_cast<double>(std::max(encoding, decoding)) / pixels;
  }

  torch::Tensor encode(const torch::Tensor& pixels) override {
    return (encoder_.run({pixels}) - entry_.shift) * entry_.scale;
  }
  torch::Tensor decode(const torch::Tensor& latent) override {
    return decoder_.run({latent / entry_.scale + entry_.shift});
  }
  double bytes_per_pixel() const override { return bytes_per_pixel_; }

 private:
  TorchScriptProgram encoder_;
  TorchScriptProgram decoder_;
  AutoencoderEntry entry_;
  double bytes_per_pixel_ = 0;
};

}  // namespace

std::unique_ptr<TextEncoder> make_torchscript_text_encoder(const std::filesystem::path& file,
                                                           const TextEncoderEntry& entry, std::int64_t max_length,
                                                           const Placement& placement) {
  return std::make_unique<TorchScriptTextEncoder>(file, entry, max_length, placement);
}

std::unique_ptr<Denoiser> make_torchscript_denoiser(const std::filesystem::path& file, const DenoiserEntry& entry,
                                                    std::int64_t factor, std::int64_t max_length, std::int64_t width,
                                                    const Placement& placement) {
  return std::make_unique<TorchScriptDenoiser>(file, entry, factor, max_length, width, placement);
}

std::unique_ptr<Autoencoder> make_torchscript_autoencoder(const std::filesystem::path& encoder,
                                                          const std::filesystem::path& decoder,
                                                          const AutoencoderEntry& entry, const Placement& placement) {
  return std::make_unique<TorchScriptAutoencoder>(encoder, decoder, entry, placement);
}

}  // namespace fmboost
