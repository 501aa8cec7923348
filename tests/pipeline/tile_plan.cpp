#include "pipeline/tile_plan.h"

#include <gtest/gtest.h>

#include "fmboost/core/random.h"
#include "fmboost/io/safetensors.h"
#include "fmboost/pipeline/generate.h"

#include "chain.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "support/compare.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::is_close;
using test::TinyBundle;

constexpr double kTolerance = 1e-5;

torch::Tensor noise_image(std::int64_t height, std::int64_t width) {
  auto generator = cpu_generator(1);
  return gaussian_noise({1, 3, height, width}, generator).clamp(-1, 1);
}

/// Gives the tiny bundle an autoencoder like Stable Diffusion's, with norms, attention and random weights.
void give_native_autoencoder(TinyBundle& files) {
  const AutoencoderKl network(
      AutoencoderKlOptions{.block_out_channels = {8, 8, 16}, .layers_per_block = 1, .norm_num_groups = 4});
  NamedTensors tensors;
  auto generator = cpu_generator(2);
  for (const auto& item : network->named_parameters()) {
    const double fan_in = item.value().dim() > 1 ? static_cast<double>(item.value()[0].numel()) : 4.0;
    tensors.emplace_back(item.key(), gaussian_noise(item.value().sizes().vec(), generator) / std::sqrt(fan_in));
  }
  write_safetensors(files.folder() / "vae.safetensors", tensors);
  nlohmann::json& autoencoder = files.manifest["autoencoder"];
  autoencoder.erase("encoder");
  autoencoder.erase("decoder");
  autoencoder.update({{"backend", "native"},
                      {"file", "vae.safetensors"},
                      {"sha256", ""},
                      {"config",
                       {{"_class_name", "AutoencoderKL"},
                        {"in_channels", 3},
                        {"out_channels", 3},
                        {"block_out_channels", {8, 8, 16}},
                        {"layers_per_block", 1},
                        {"latent_channels", 4},
                        {"norm_num_groups", 4}}}});
  files.write();
}

class Tiles : public testing::Test {
 protected:
  torch::Tensor upscale(const torch::Tensor& pixels, const TileOptions& tiles, FlowOptions flow = {}) const {
    ModelComponents components(files_.open(), {});
    return UpscaleChain(components, tiles).run(test::plan_chain(components, pixels, {2}, flow), {pixels, {}}, 42);
  }
  void expect_equal_in_tiles(const FlowOptions& flow = {}) const {
    const torch::Tensor pixels = noise_image(90, 61);
    const torch::Tensor whole = upscale(pixels, {.automatic = false}, flow);
    ASSERT_GT(whole.std().item<double>(), 0.01);
    for (const std::int64_t size : {64, 77, 100, 151}) {
      const torch::Tensor tiled = upscale(pixels, {.automatic = false, .size = size, .overlap = 16}, flow);
      EXPECT_TRUE(is_close(tiled, whole, kTolerance)) << "tiles of " << size;
    }
  }
  TinyBundle files_;
};

TEST_F(Tiles, DoNotChangeTheResultOfANativeAutoencoder) {
  give_native_autoencoder(files_);
  expect_equal_in_tiles();
  expect_equal_in_tiles({.upsampling = Upsampling::latent});
}

TEST_F(Tiles, DoNotChangeTheFlow) {
  // These programs compute each latent pixel alone, so that blended tiles are exact too.
  expect_equal_in_tiles();
}

/// Adds its average to every tile, so that each tile has a brightness of its own: the hardest case for seams.
class AverageAutoencoder final : public Autoencoder {
 public:
  torch::Tensor encode(const torch::Tensor& pixels) override { return at::avg_pool2d(pixels, {4, 4}); }
  torch::Tensor decode(const torch::Tensor& latent) override {
    const torch::Tensor shown = latent + latent.mean({2, 3}, true);
    return shown.repeat_interleave(4, 2).repeat_interleave(4, 3);
  }
  double bytes_per_pixel() const override { return 12; }
};

// Two tiles of 12 latent pixels over 20, which share 4: 16 pixels over which the first fades into the second.
TEST_F(Tiles, TorchScriptTilesAreBlendedWithoutSeams) {
  AverageAutoencoder autoencoder;
  torch::Tensor latent = torch::zeros({1, 3, 12, 20});
  latent.slice(3, 0, 8).fill_(-1);
  latent.slice(3, 12).fill_(1);
  const TiledAutoencoder tiled(autoencoder, 4, TilePlan{.side = 48, .overlap = 16, .strips = {}});
  const torch::Tensor first = autoencoder.decode(latent.slice(3, 0, 12));
  const torch::Tensor second = autoencoder.decode(latent.slice(3, 8));
  const torch::Tensor result = tiled.decode(latent);
  ASSERT_EQ(result.sizes(), at::IntArrayRef({1, 3, 48, 80}));
  EXPECT_TRUE(is_close(result.slice(3, 0, 32), first.slice(3, 0, 32), kTolerance)) << "only the first tile is here";
  EXPECT_TRUE(is_close(result.slice(3, 48), second.slice(3, 16), kTolerance)) << "only the second tile is here";
  const torch::Tensor weight = torch::arange(1, 17) / 17.0;
  const torch::Tensor blend = first.slice(3, 32) * (1 - weight) + second.slice(3, 0, 16) * weight;
  EXPECT_TRUE(is_close(result.slice(3, 32, 48), blend, kTolerance));
  // The latent has steps of 1 at columns 8 and 12; the brightness differs by 4 / 3 between the tiles.
  const torch::Tensor overlap = result.slice(3, 32, 48);
  EXPECT_LT(overlap.diff(1, 3).abs().max().item<double>(), 0.1) << "a seam";
}

TEST_F(Tiles, DoNotChangeAGeneratedImage) {
  give_native_autoencoder(files_);
  const auto draw = [&](const TileOptions& tiles) {
    const auto components = std::make_shared<ModelComponents>(files_.open(), Placement{});
    torch::Tensor drawn;
    GeneratePipeline(components, nullptr, {.tiles = tiles})
        .run({{.prompt = "red", .size = Size{104, 72}, .upscale = false}},
             {.finished = [&](std::size_t, GeneratedImage made) { drawn = made.pixels; }});
    return drawn;
  };
  EXPECT_TRUE(is_close(draw({.automatic = false, .size = 64, .overlap = 0}), draw({.automatic = false}), kTolerance));
}

// An image of 1000 x 1000 pixels that does not fit.
constexpr MemoryPlan kPlan{.size = {1000, 1000},
                           .bytes_per_pixel = 100,
                           .tiled_bytes_per_pixel = 10,
                           .resident_bytes = 10'000'000,
                           .available = 60'000'000,
                           .in_strips = true};

TEST(PlanTiles, TilesOnlyAnImageThatDoesNotFit) {
  EXPECT_FALSE(plan_tiles(kPlan, {.automatic = false}));
  EXPECT_FALSE(plan_tiles(kPlan, {.automatic = false, .size = 1000}));
  EXPECT_TRUE(plan_tiles(kPlan, {.automatic = false, .size = 999}));
  EXPECT_TRUE(plan_tiles(kPlan, {}));
  MemoryPlan roomy = kPlan;
  roomy.available = 110'000'000;
  EXPECT_FALSE(plan_tiles(roomy, {}));
}

TEST(PlanTiles, SharesTheMemoryBetweenStripsAndKeptResults) {
  // 10 MB for the image, 10 MB held for it, and of the 40 MB left a quarter for the strips: 316 x 316 pixels.
  const TilePlan tiles = *plan_tiles(kPlan, {});
  EXPECT_EQ(tiles.side, 316);
  EXPECT_EQ(tiles.strips.strip_bytes, 9'985'600);
  EXPECT_EQ(tiles.strips.kept_bytes, 30'014'400);
  EXPECT_EQ(tiles.halved().side, 158);
  EXPECT_EQ(tiles.halved().strips.strip_bytes, 9'985'600 / 4);
  MemoryPlan blended = kPlan;
  blended.in_strips = false;
  EXPECT_EQ(plan_tiles(blended, {})->side, 632);
}

TEST(PlanTiles, UsesTheGivenSizeAndAtMostHalfOfItAsOverlap) {
  const TilePlan tiles = *plan_tiles(kPlan, {.automatic = false, .size = 100, .overlap = 64});
  EXPECT_EQ(tiles.side, 100);
  EXPECT_EQ(tiles.overlap, 50);
  EXPECT_EQ(tiles.strips.strip_bytes, 1'000'000);
  EXPECT_EQ(tiles.strips.kept_bytes, 39'000'000);
}

TEST(PlanTiles, KeepsNoResultsIfNoMemoryIsLeft) {
  MemoryPlan poor = kPlan;
  poor.available = 0;
  const TilePlan tiles = *plan_tiles(poor, {});
  EXPECT_EQ(tiles.side, 64);
  EXPECT_EQ(tiles.strips.kept_bytes, 0);
}

}  // namespace
}  // namespace fmboost
