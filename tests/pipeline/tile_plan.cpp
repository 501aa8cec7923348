#include "pipeline/tile_plan.h"

#include <gtest/gtest.h>

#include "fmboost/core/random.h"
#include "fmboost/io/safetensors.h"
#include "fmboost/pipeline/generate.h"

#include "nn/stable_diffusion/autoencoder_kl.h"
#include "support/compare.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::compare;
using test::is_close;
using test::TinyBundle;

constexpr double kTolerance = 1e-5;

torch::Tensor noise_image(std::int64_t height, std::int64_t width) {
  auto generator = cpu_generator(1);
  return gaussian_noise({1, 3, height, width}, generator).clamp(-1, 1);
}

/// The tiny bundle with Stable Diffusion's kind of autoencoder, with norms and attention, and random weights.
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
    return UpscaleChain(components, flow, tiles, ImageSource::external).run({pixels, {}}, {2}, std::nullopt, 42);
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

TEST_F(Tiles, OfANativeAutoencoderChangeNothing) {
  give_native_autoencoder(files_);
  expect_equal_in_tiles();
  expect_equal_in_tiles({.upsampling = Upsampling::latent});
}

TEST_F(Tiles, LeaveTheFlowThatOfTheWholeImage) {
  // These programs look at single latent pixels, so that windows of them are exact too.
  expect_equal_in_tiles();
}

TEST_F(Tiles, OfProgramsThatLookAroundAreBlended) {
  files_.set_program("decoder.pt", {R"(
def forward(self, latent):
    colors = latent[:, 0:3] + latent.mean([2, 3], True)[:, 0:3]
    return torch.repeat_interleave(torch.repeat_interleave(colors, 4, 2), 4, 3)
)"});
  const torch::Tensor pixels = noise_image(90, 61);
  const torch::Tensor whole = upscale(pixels, {.automatic = false});
  const torch::Tensor tiled = upscale(pixels, {.automatic = false, .size = 77, .overlap = 16});
  EXPECT_GT(compare(tiled, whole).error, 1e-3);
}

TEST_F(Tiles, OfWhatIsDrawnChangeNothing) {
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

// Half of the memory is free beside an image of 1000 x 1000.
constexpr MemoryPlan kPlan{.pixels = 1e6,
                           .bytes_per_pixel = 100,
                           .tiled_bytes_per_pixel = 10,
                           .in_strips = true,
                           .available = 60'000'000,
                           .resident_bytes = 10'000'000};

TEST(PlanTiles, MakesPiecesOnlyWhereTheImageDoesNotFit) {
  EXPECT_FALSE(plan_tiles(kPlan, {.automatic = false}, {1000, 1000}));
  EXPECT_FALSE(plan_tiles(kPlan, {.automatic = false, .size = 1000}, {1000, 1000}));
  EXPECT_TRUE(plan_tiles(kPlan, {.automatic = false, .size = 999}, {1000, 1000}));
  EXPECT_TRUE(plan_tiles(kPlan, {}, {1000, 1000}));
  MemoryPlan roomy = kPlan;
  roomy.available = 110'000'000;
  EXPECT_FALSE(plan_tiles(roomy, {}, {1000, 1000}));
}

TEST(PlanTiles, SharesTheMemoryBetweenStripsAndWhatTheyKeep) {
  // 10 MB for the image, 10 MB held for it, and of the 40 MB left a quarter for the strips: 316 x 316 pixels.
  const TilePlan pieces = *plan_tiles(kPlan, {}, {1000, 1000});
  EXPECT_EQ(pieces.side, 316);
  EXPECT_EQ(pieces.strips.strip_bytes, 9'985'600);
  EXPECT_EQ(pieces.strips.kept_bytes, 30'014'400);
  EXPECT_EQ(pieces.halved().side, 158);
  EXPECT_EQ(pieces.halved().strips.strip_bytes, 9'985'600 / 4);
  MemoryPlan windows = kPlan;
  windows.in_strips = false;
  EXPECT_EQ(plan_tiles(windows, {}, {1000, 1000})->side, 632);
}

TEST(PlanTiles, TakesTheUsersSizeAndAtMostHalfOfItAsOverlap) {
  const TilePlan pieces = *plan_tiles(kPlan, {.automatic = false, .size = 100, .overlap = 64}, {1000, 1000});
  EXPECT_EQ(pieces.side, 100);
  EXPECT_EQ(pieces.overlap, 50);
  EXPECT_EQ(pieces.strips.strip_bytes, 1'000'000);
  EXPECT_EQ(pieces.strips.kept_bytes, 39'000'000);
}

TEST(PlanTiles, KeepsNothingWhereNothingIsLeft) {
  MemoryPlan poor = kPlan;
  poor.available = 0;
  const TilePlan pieces = *plan_tiles(poor, {}, {1000, 1000});
  EXPECT_EQ(pieces.side, 64);
  EXPECT_EQ(pieces.strips.kept_bytes, 0);
}

}  // namespace
}  // namespace fmboost
