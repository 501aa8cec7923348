// fmboost_network_case CASE OUT: runs a native network on what CASE.safetensors holds, for
// tests/python/test_networks.py.
//
// CASE: weight.NAME; the inputs of the call by name (ids; x, timestep, text, guidance; pixels; latent; noise) and
// direction.OUTPUT for each output; metadata `config`, as in a bundle, and `call` (run, encode or decode). OUT: each
// output; and the gradients of sum(output * direction) over all outputs: gradient.INPUT and gradient.weight.NAME.
#include <cstdio>
#include <exception>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "model/network_options.h"
#include "nn/default_model/conv_autoencoder.h"
#include "nn/default_model/patch_unet.h"
#include "nn/default_model/word_transformer.h"
#include "nn/layers/load_weights.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "nn/stable_diffusion/clip_text.h"
#include "nn/stable_diffusion/unet.h"

namespace {

using namespace fmboost;

class Case {
 public:
  explicit Case(const std::string& path) : file_(path) {}

  const std::string& text(const std::string& key) const { return file_.metadata().at(key); }
  JsonReader config() const { return JsonReader::parse(text("config"), file_.path().string()); }

  // A copy that gradients are wanted for, or nothing.
  torch::Tensor input(const std::string& name) {
    if (!file_.contains(name)) {
      return {};
    }
    torch::Tensor tensor = file_.tensor(name).clone();
    if (tensor.is_floating_point()) {
      tensor.requires_grad_();
      inputs_.emplace_back("gradient." + name, tensor);
    }
    return tensor;
  }
  template <typename Network>
  Network load(Network network) {
    load_into(*network, file_, {}, "weight.");
    for (const auto& item : network->named_parameters()) {
      // The mapped file cannot be written to, and gradients belong to leaves.
      torch::Tensor weight = item.value();
      weight.set_data(weight.clone());
      weight.requires_grad_();
      inputs_.emplace_back("gradient.weight." + item.key(), weight);
    }
    return network;
  }

  NamedTensors with_gradients(const NamedTensors& outputs) const {
    torch::Tensor loss = torch::zeros({});
    for (const auto& [name, output] : outputs) {
      loss = loss + (output * file_.tensor("direction." + name)).sum();
    }
    loss.backward();
    NamedTensors all = outputs;
    for (const auto& [name, input] : inputs_) {
      if (input.grad().defined()) {
        all.emplace_back(name, input.grad());
      }
    }
    return all;
  }

 private:
  SafetensorsFile file_;
  NamedTensors inputs_;
};

template <typename Network>
NamedTensors run_autoencoder(const Network& network, Case& given) {
  if (given.text("call") == "decode") {
    return {{"pixels", network->decode(given.input("latent"))}};
  }
  const auto latent = network->encode(given.input("pixels"));
  if constexpr (std::is_same_v<decltype(latent), const GaussianPosterior>) {
    return {{"mode", latent.mode()},
            {"sample", latent.mean + torch::exp(0.5 * latent.log_variance) * given.input("noise")}};
  } else {
    return {{"latent", latent}};
  }
}

NamedTensors run(Case& given) {
  const JsonReader config = given.config();
  const auto kind = config.get_or<std::string>("_class_name", "CLIPTextModel");
  if (kind == "CLIPTextModel") {
    const auto network = given.load(ClipTextModel(read_clip_text_options(config)));
    return {{"states", network->forward(given.input("ids"))}};
  }
  if (kind == "WordTransformer") {
    const auto network = given.load(WordTransformer(read_word_transformer_options(config)));
    return {{"states", network->forward(given.input("ids"))}};
  }
  if (kind == "UNet2DConditionModel") {
    const auto network = given.load(Unet(read_unet_options(config)));
    return {{"prediction", network->forward(given.input("x"), given.input("timestep"), given.input("text"),
                                            given.input("guidance"))}};
  }
  if (kind == "PatchUnet") {
    const auto network = given.load(PatchUnet(read_patch_unet_options(config)));
    return {{"prediction", network->forward(given.input("x"), given.input("timestep"), given.input("text"))}};
  }
  if (kind == "AutoencoderTiny") {
    return run_autoencoder(given.load(AutoencoderTiny(read_autoencoder_tiny_options(config))), given);
  }
  if (kind == "ConvAutoencoder") {
    return run_autoencoder(given.load(ConvAutoencoder(read_conv_autoencoder_options(config))), given);
  }
  return run_autoencoder(given.load(AutoencoderKl(read_autoencoder_kl_options(config))), given);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) {
      throw UsageError("usage: fmboost_network_case CASE.safetensors OUT.safetensors");
    }
    Case given(argv[1]);
    write_safetensors(argv[2], given.with_gradients(run(given)));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
