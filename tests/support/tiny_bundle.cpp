#include "tiny_bundle.h"

#include <cstdlib>
#include <fstream>

#include "fmboost/io/safetensors.h"
#include "fmboost/io/sha256.h"

#include "nn/cfm/cfm_unet.h"
#include "scripted_program.h"

namespace fmboost::test {
namespace {

using nlohmann::json;

// The user's cache of hashes is not for test bundles.
struct OwnCache {
  OwnCache() { ::setenv("XDG_CACHE_HOME", folder.path().c_str(), /*replace=*/1); }
  TemporaryFolder folder;
};
const OwnCache own_cache;

constexpr const char* kTextEncoder = R"(
def forward(self, ids):
    return (ids.to(self.one.dtype) * self.one / 8).unsqueeze(-1).expand(-1, -1, 3).contiguous()
)";
constexpr const char* kDenoiser = R"(
def forward(self, x, t, text):
    words = text.mean([1, 2]).reshape(-1, 1, 1, 1)
    return (x * self.one / 4 + words + (t / 8000).reshape(-1, 1, 1, 1)).to(x.dtype)
)";
constexpr const char* kEncoder = R"(
def forward(self, pixels):
    colors = torch.avg_pool2d(pixels * self.one, [4, 4])
    return torch.cat([colors, colors.mean([1], True)], 1)
)";
constexpr const char* kDecoder = R"(
def forward(self, latent):
    colors = latent[:, 0:3] * self.one
    return torch.repeat_interleave(torch.repeat_interleave(colors, 4, 2), 4, 3)
)";

json program(const std::string& file) {
  return {{"backend", "torchscript"}, {"file", file}, {"sha256", std::string(64, '0')}};
}

json coupling(int factor) {
  return {{"file", "cfm.safetensors"},
          {"sha256", std::string(64, '0')},
          {"factor", factor},
          {"network",
           {{"in_channels", 8},
            {"model_channels", 32},
            {"out_channels", 4},
            {"num_res_blocks", 1},
            {"attention_resolutions", json::array()},
            {"channel_mult", {1, 1}},
            {"dim_head", 8},
            {"num_heads", 1}}},
          {"path", "linear"},
          {"upsampling", "pixel"},
          {"solver", "euler"},
          {"steps", 2},
          {"noising_step", 400},
          {"back_projection", 1}};
}

// Fills in the hash of every file that is there.
void fill_hashes(json& entry, const std::filesystem::path& folder) {
  const auto fill = [&](const char* file, const char* hash) {
    if (entry.contains(file) && entry[file].is_string() && std::filesystem::exists(folder / entry[file])) {
      entry[hash] = sha256_file(folder / entry[file]);
    }
  };
  if (!entry.is_structured()) {
    return;
  }
  if (entry.is_object()) {
    fill("file", "sha256");
    fill("words", "sha256");
  }
  for (auto& inner : entry) {
    fill_hashes(inner, folder);
  }
}

}  // namespace

json tiny_manifest() {
  json denoiser = program("denoiser.pt");
  denoiser.update({{"prediction", "epsilon"},
                   {"schedule", {{"beta_start", 0.00085}, {"beta_end", 0.012}, {"train_steps", 1000}}},
                   {"latent_channels", 4},
                   {"native_size", 32},
                   {"size_multiple", 8},
                   {"guidance_embedding", nullptr},
                   {"default_sampler", "ddim"},
                   {"default_steps", 2},
                   {"default_guidance", 3.0}});
  json text_encoder = program("text_encoder.pt");
  text_encoder["width"] = 3;
  return {
      {"format", "fmboost-bundle"},
      {"version", 1},
      {"name", "tiny"},
      {"license", "MIT"},
      {"source", "made for tests"},
      {"tokenizer",
       {{"type", "words"}, {"words", "words.json"}, {"sha256", std::string(64, '0')}, {"max_length", 4}, {"null", 1}}},
      {"text_encoder", text_encoder},
      {"denoiser", denoiser},
      {"autoencoder",
       {{"encoder", program("encoder.pt")},
        {"decoder", program("decoder.pt")},
        {"factor", 4},
        {"latent_channels", 4},
        {"scale", 0.5},
        {"shift", 0.25}}},
      {"couplings", {coupling(2), coupling(4)}}};
}

TinyBundle::TinyBundle() {
  std::ofstream(folder() / "words.json") << R"(["<pad>", "<null>", "red", "blue", "round", ",", "sky", "sea"])";
  save_program(folder() / "text_encoder.pt", {kTextEncoder});
  save_program(folder() / "denoiser.pt", {kDenoiser});
  save_program(folder() / "encoder.pt", {kEncoder});
  save_program(folder() / "decoder.pt", {kDecoder});
  write_velocity(/*moving=*/true);
  write();
}

void TinyBundle::write_velocity(bool moving) const {
  torch::manual_seed(1);
  CfmUnet network(parse_cfm_unet_options(manifest["couplings"][0]["network"].dump(), "network"));
  const torch::NoGradGuard no_grad;
  NamedTensors tensors;
  for (const auto& item : network->named_parameters()) {
    // The zeros that training starts from would make a velocity of zero.
    const torch::Tensor trained = item.value() + 0.02 * torch::randn_like(item.value());
    tensors.emplace_back(item.key(), moving ? trained : torch::zeros_like(trained));
  }
  write_safetensors(folder() / "cfm.safetensors", tensors);
}

void TinyBundle::write() {
  fill_hashes(manifest, folder());
  std::ofstream(folder() / "bundle.json") << manifest.dump(1);
}

void TinyBundle::stop_velocity() {
  write_velocity(/*moving=*/false);
  write();
}

void TinyBundle::set_program(const std::string& file, const std::vector<std::string>& methods) {
  save_program(folder() / file, methods);
  write();
}

}  // namespace fmboost::test
