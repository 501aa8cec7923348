#include <gtest/gtest.h>

#include "fmboost/flow/coupling.h"
#include "fmboost/image/resize.h"
#include "fmboost/pipeline/generate.h"
#include "fmboost/pipeline/upscale.h"

#include "support/compare.h"

namespace fmboost {
namespace {

using test::compare;

std::shared_ptr<ModelComponents> default_components() {
  return std::make_shared<ModelComponents>(Bundle(FMBOOST_DEFAULT_MODEL), Placement{torch::kCPU, torch::kFloat32});
}

std::shared_ptr<ModelComponents> upscaler_components(torch::ScalarType dtype = torch::kFloat32) {
  return std::make_shared<ModelComponents>(Bundle(upscaler_folder(FMBOOST_DEFAULT_MODEL)),
                                           Placement{torch::kCPU, dtype});
}

// Gradients and a rectangle with sharp edges.
Image scene(std::int64_t height, std::int64_t width) {
  torch::Tensor pixels = torch::empty({3, height, width});
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    pixels[channel] =
        torch::linspace(0.6 - 0.2 * channel, -0.4 + 0.3 * channel, height).unsqueeze(1).expand({height, width});
  }
  pixels.slice(1, height / 2).slice(2, width / 4, width / 2).mul_(-0.8);
  return {.pixels = pixels, .alpha = {}, .metadata = {}, .format = ""};
}

TEST(DefaultModelGenerates, TheSameImageInABatchAndAlone) {
  std::vector<GenerateRequest> requests(
      2, {.prompt = "red flowers, blue sky", .size = Size{64, 64}, .steps = 2, .upscale = false});
  requests[1].prompt = "snow";
  requests[1].seed = 7;
  std::vector<torch::Tensor> together(2);
  std::vector<torch::Tensor> alone(2);
  for (auto* images : {&together, &alone}) {
    GeneratePipeline pipeline(default_components(), nullptr, {.batch_size = images == &together ? 2 : 1});
    pipeline.run(requests, {.progress = {},
                            .finished = [&](std::size_t i, const GeneratedImage& p) { (*images)[i] = p.pixels; },
                            .failed = [](std::size_t, const std::exception& e) { ADD_FAILURE() << e.what(); },
                            .notice = {}});
  }
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(test::is_close(together[i], alone[i], 1e-3));
  }
  EXPECT_GT(compare(alone[0], alone[1]).error, 0.1);
}

TEST(DefaultModelExamples, FitItsVocabularyAndLength) {
  const Bundle bundle(FMBOOST_DEFAULT_MODEL);
  const auto tokenizer = bundle.load_tokenizer();
  EXPECT_GE(bundle.manifest().examples.size(), 8U);
  for (const auto& prompt : bundle.manifest().examples) {
    EXPECT_TRUE(tokenizer->encode(prompt).unknown_words.empty()) << prompt;
    EXPECT_TRUE(tokenizer->encode(prompt).cut.empty()) << prompt;
  }
}

// The mean squared difference between neighboring pixels, which sharp edges raise and blur lowers.
double gradient_energy(const torch::Tensor& image) {
  return image.diff(1, 2).square().mean().item<double>() + image.diff(1, 3).square().mean().item<double>();
}

TEST(DefaultModelUpscales, FaithfullyAndSharperThanBicubic) {
  const Image source = scene(64, 64);
  const torch::Tensor result = UpscalePipeline(upscaler_components(), {}).run(source).image.pixels.unsqueeze(0);
  ASSERT_EQ(result.sizes(), at::IntArrayRef({1, 3, 128, 128}));
  const torch::Tensor bicubic = resize_bicubic(source.pixels.unsqueeze(0), 128, 128);
  const double unfaithful = (resize_bicubic(result, 64, 64) - source.pixels).abs().mean().item<double>();
  EXPECT_LT(unfaithful, 0.01);
  EXPECT_LT((result - bicubic).abs().mean().item<double>(), 0.05);
  EXPECT_GT(gradient_energy(result), 1.1 * gradient_energy(bicubic));
}

TEST(DefaultModelUpscales, TheSameImageWithTiles) {
  const Image source = scene(96, 128);
  const auto run = [&](const TileOptions& tiles) {
    return UpscalePipeline(upscaler_components(), {.tiles = tiles}).run(source).image.pixels;
  };
  const torch::Tensor whole = run({.automatic = false});
  const torch::Tensor tiled = run({.automatic = false, .size = 128, .overlap = 64});
  EXPECT_LT((tiled - whole).abs().max().item<double>(), 1e-4);
}

TEST(DefaultModelUpscales, AlmostTheSameImageInBfloat16) {
  const Image source = scene(48, 48);
  const torch::Tensor exact = UpscalePipeline(upscaler_components(), {}).run(source).image.pixels;
  const torch::Tensor coarse = UpscalePipeline(upscaler_components(torch::kBFloat16), {}).run(source).image.pixels;
  const double difference = (coarse - exact).abs().mean().item<double>();
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 0.02);
}

}  // namespace
}  // namespace fmboost
