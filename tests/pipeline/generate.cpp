#include "fmboost/pipeline/generate.h"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/image/resize.h"
#include "fmboost/pipeline/back_projection.h"

#include "diffusion/guidance.h"
#include "generating.h"
#include "support/compare.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::components_of;
using test::is_close;
using test::Outcome;
using test::TinyBundle;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

const GenerateRequest kRequest{.prompt = "red sky", .seed = 5, .size = Size{64, 48}};

class Generate : public testing::Test {
 protected:
  Outcome run(const std::vector<GenerateRequest>& requests, const GenerateSettings& settings = {}) const {
    return test::generate({components_of(files_), nullptr, settings}, requests);
  }
  torch::Tensor pixels(const GenerateRequest& request) const { return run({request}).images.at(0).pixels; }

  TinyBundle files_;
};

TEST_F(Generate, ImagesHaveExactlyTheRequestedSize) {
  for (const Size& size : {Size{64, 48}, Size{1, 1}, Size{67, 33}, Size{130, 250}, Size{9, 40}}) {
    GenerateRequest request = kRequest;
    request.size = size;
    const GeneratedImage image = run({request}).images.at(0);
    EXPECT_EQ(image.pixels.sizes(), at::IntArrayRef({1, 3, size.height, size.width})) << to_string(size);
    EXPECT_EQ(image.pixels.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(image.pixels.isfinite().all().item<bool>());
    EXPECT_EQ(image.plan.size, size);
  }
}

TEST_F(Generate, OtherSizesAreTheCenterOfALargerImage) {
  GenerateRequest request = kRequest;
  request.upscale = false;
  request.size = Size{32, 32};
  const torch::Tensor whole = pixels(request);
  request.size = Size{28, 30};
  EXPECT_TRUE(torch::equal(pixels(request), whole.slice(2, 1, 31).slice(3, 2, 30)));
}

// The tiny denoiser is a formula, so the test can repeat the sampler's arithmetic, its noise and the guidance.
TEST_F(Generate, DenoisesWithTheNoiseOfTheSeedAndGuidance) {
  for (const char* name : {"ddim", "lcm", "euler-a"}) {
    GenerateRequest request = kRequest;
    request.sampler = name;
    request.steps = 3;
    request.negative_prompt = "blue";
    const torch::Tensor found = run({request}).images.at(0).low_latent;
    const double conditional = (2 + 6) / 8.0 / 4;  // the mean of the states of "red sky" and two pads
    const double unconditional = 3 / 8.0 / 4;
    auto generator = cpu_generator(5);
    const auto noise = [&] { return gaussian_noise({1, 4, 6, 8}, generator); };
    const auto sampler = make_sampler({.name = name, .steps = 3}, NoiseSchedule({}));
    const auto denoise = [&](const torch::Tensor& x, double t) {
      return x / 4 + (unconditional + 3.0 * (conditional - unconditional)) + t / 8000;
    };
    const torch::Tensor start = noise() * sampler->init_noise_sigma();
    EXPECT_TRUE(is_close(found, sampler->sample(start, denoise, noise), 1e-5)) << name;
  }
}

TEST_F(Generate, SameSeedGivesTheSameImage) {
  EXPECT_TRUE(torch::equal(pixels(kRequest), pixels(kRequest)));
  GenerateRequest other = kRequest;
  other.seed = 6;
  EXPECT_FALSE(torch::equal(pixels(other), pixels(kRequest)));
}

TEST_F(Generate, ImagesOfABatchEqualThoseGeneratedAlone) {
  std::vector<GenerateRequest> requests(5, kRequest);
  requests[1].seed = 6;
  requests[2].prompt = "blue sea";
  requests[3].negative_prompt = "round";
  requests[4].steps = 5;  // not alike: a batch of its own
  for (const char* sampler : {"ddim", "lcm"}) {
    for (auto& request : requests) {
      request.sampler = sampler;
    }
    const Outcome together = run(requests, {.batch_size = 3});
    ASSERT_EQ(together.images.size(), 5U);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(is_close(together.images.at(i).pixels, pixels(requests[i]), 1e-5)) << sampler << " " << i;
      EXPECT_EQ(together.images.at(i).plan.request.prompt, requests[i].prompt);
      EXPECT_EQ(together.images.at(i).plan.request.seed, requests[i].seed);
    }
  }
}

TEST_F(Generate, CouplingNoiseDoesNotDependOnTheSamplersDraws) {
  files_.stop_velocity();
  const auto high_minus_context = [&](int steps) {
    GenerateRequest request = kRequest;
    request.sampler = "lcm";
    request.steps = steps;
    request.flow.noising_step = 999;
    return run({request}, {.keep_intermediates = true}).images.at(0).intermediates.at("high_latent-0");
  };
  EXPECT_TRUE(is_close(high_minus_context(4), high_minus_context(1), 1e-2));
}

TEST_F(Generate, KeepsIntermediatesOnlyOnRequest) {
  EXPECT_TRUE(run({kRequest}).images.at(0).intermediates.empty());
  const GeneratedImage image = run({kRequest}, {.keep_intermediates = true}).images.at(0);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : image.intermediates) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ElementsAre("context-0", "high_latent-0"));
}

TEST_F(Generate, LowResolutionImageIsPartOfTheResult) {
  const GeneratedImage image = run({kRequest}).images.at(0);
  EXPECT_EQ(image.low_latent.sizes(), at::IntArrayRef({1, 4, 6, 8}));
  const Placement placement{torch::kCPU, torch::kFloat32};
  EXPECT_TRUE(torch::equal(image.low_pixels, files_.open().load_autoencoder(placement)->decode(image.low_latent)));
}

// The callbacks wait within two of the stages, so that the time of each stage is known from below and from above.
TEST_F(Generate, MeasuresItsStagesAndReportsProgress) {
  GenerateRequest request = kRequest;
  request.steps = 4;
  std::map<std::string, std::int64_t> progress;
  std::map<std::string, double> seconds;
  const auto start = std::chrono::steady_clock::now();
  GeneratePipeline(components_of(files_), nullptr, {})
      .run({request}, {.progress =
                           [&](const std::string& stage, std::int64_t done, std::int64_t) {
                             progress[stage] = done;
                             std::this_thread::sleep_for(std::chrono::milliseconds(stage == "denoise" ? 50 : 200));
                           },
                       .finished = [&](std::size_t, const GeneratedImage& image) { seconds = image.seconds; },
                       .failed = {},
                       .notice = {}});
  const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(progress, (std::map<std::string, std::int64_t>{{"denoise", 4}, {"flow 1", 2}}));
  ASSERT_THAT(seconds, ElementsAre(Key("decode"), Key("denoise"), Key("encode"), Key("flow"), Key("low_decode"),
                                   Key("resize"), Key("text")));
  EXPECT_GE(seconds["denoise"], 4 * 0.05);
  EXPECT_GE(seconds["flow"], 2 * 0.2);
  double sum = 0;
  for (const auto& [stage, time] : seconds) {
    EXPECT_GT(time, 0) << stage;
    sum += time;
  }
  EXPECT_LE(sum, all);
}

TEST_F(Generate, DividesTheDenoisingTimeAmongTheBatch) {
  std::vector<double> seconds;
  const auto wait = [](const std::string& stage, std::int64_t, std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(stage == "denoise" ? 100 : 0));
  };
  const auto start = std::chrono::steady_clock::now();
  GeneratePipeline(components_of(files_), nullptr, {.batch_size = 4})
      .run(std::vector<GenerateRequest>(4, kRequest),
           {.progress = wait,
            .finished = [&](std::size_t, GeneratedImage image) { seconds.push_back(image.seconds.at("denoise")); },
            .failed = {},
            .notice = {}});
  const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(seconds.size(), 4U);
  EXPECT_GE(4 * seconds[0], 2 * 0.1) << "two steps";
  EXPECT_LE(4 * seconds[0], all);
  EXPECT_EQ(seconds[0], seconds[3]);
}

TEST_F(Generate, FreesComponentsAfterTheirLastUse) {
  TinyBundle other;
  const auto components = components_of(files_);
  const auto is_loaded = [&](const char* file, const std::function<void()>& use) {
    std::filesystem::rename(files_.folder() / file, files_.folder() / "hidden");
    bool loaded = true;
    try {
      use();
    } catch (const ModelError&) {
      loaded = false;
    }
    std::filesystem::rename(files_.folder() / "hidden", files_.folder() / file);
    return loaded;
  };
  std::map<std::string, std::vector<bool>> loaded;
  const auto look = [&](const std::string& moment) {
    loaded[moment] = {is_loaded("text_encoder.pt", [&] { components->text_encoder(torch::kFloat32); }),
                      is_loaded("denoiser.pt", [&] { components->denoiser(torch::kFloat32); }),
                      is_loaded("decoder.pt", [&] { components->autoencoder(torch::kFloat32); })};
  };
  std::vector<GenerateRequest> requests(3, kRequest);
  requests[1].prompt = std::string("red \xff");  // fails before it uses anything
  int images = 0;
  GeneratePipeline(components, components_of(other), {})
      .run(requests, {.progress =
                          [&](const std::string& stage, std::int64_t done, std::int64_t) {
                            if (done == 1) {
                              look(stage + " of image " + std::to_string(images));
                            }
                          },
                      .finished = [&](std::size_t, const GeneratedImage&) { ++images; },
                      .failed = {},
                      .notice = {}});
  const std::map<std::string, std::vector<bool>> expected{{"denoise of image 0", {true, true, false}},
                                                          {"flow 1 of image 0", {true, true, true}},
                                                          {"denoise of image 1", {false, true, true}},
                                                          {"flow 1 of image 1", {false, false, false}}};
  EXPECT_EQ(loaded, expected);
}

TEST_F(Generate, ReportsProblemsOfPrompts) {
  std::vector<GenerateRequest> requests(5, kRequest);
  for (auto& request : requests) {
    request.timestep_spacing = TimestepSpacing::trailing;  // otherwise two steps start too low, which is told
  }
  requests[0].prompt = "";
  requests[1].prompt = "red green sky purple green";
  requests[2].prompt = "red sky, blue sea, round";
  requests[3].negative_prompt = "loud";
  requests[4].negative_prompt = "loud";
  requests[4].guidance = 1.0;
  const Outcome outcome = run(requests);
  EXPECT_EQ(outcome.images.size(), 5U);
  EXPECT_THAT(outcome.notices.at(0), ElementsAre(HasSubstr("the prompt is empty")));
  EXPECT_THAT(outcome.notices.at(1),
              ElementsAre(HasSubstr("words of the prompt that are not in this model's vocabulary: 'green', 'purple'")));
  EXPECT_THAT(outcome.notices.at(2), ElementsAre(testing::AllOf(HasSubstr("limit of 4 tokens"), HasSubstr("sea"))));
  EXPECT_THAT(outcome.notices.at(3),
              ElementsAre(HasSubstr("words of the negative prompt that are not in this model's vocabulary: 'loud'")));
  EXPECT_FALSE(outcome.notices.contains(4));  // unused without guidance
}

TEST_F(Generate, EmptyPromptEqualsTheNullWord) {
  GenerateRequest empty = kRequest;
  empty.prompt = "  ";
  GenerateRequest unknown = kRequest;
  unknown.prompt = "xyzzy";
  EXPECT_TRUE(torch::equal(pixels(empty), pixels(unknown)));
}

// To another bundle the low-resolution image is an external image: clamped as in a file, and back-projected.
TEST_F(Generate, UpscalesWithAnotherBundle) {
  TinyBundle other;  // with different latents, and a velocity of zero
  other.manifest["autoencoder"].update({{"scale", 2.0}, {"shift", 0.0}});
  other.stop_velocity();
  GenerateRequest request = kRequest;
  request.flow.noising_step = 0;
  const Outcome outcome = test::generate({components_of(files_), components_of(other), {}}, {request});
  const GeneratedImage& image = outcome.images.at(0);
  EXPECT_EQ(image.plan.source, ImageSource::external);
  EXPECT_GT(image.low_pixels.abs().max().item<double>(), 1);  // so that clamping has an effect
  const torch::Tensor low = image.low_pixels.clamp(-1, 1);
  const torch::Tensor upscaled = upsample_bilinear(low, 48, 64);
  const torch::Tensor blocks = at::avg_pool2d(upscaled, {4, 4}).repeat_interleave(4, 2).repeat_interleave(4, 3);
  EXPECT_TRUE(is_close(image.pixels, back_project(blocks, low, 1), 1e-5)) << "one round, as the bundle says";
}

TEST_F(Generate, FidelityControlsBackProjectionOntoTheLowResolutionImage) {
  const auto unfaithfulness = [&](std::optional<double> fidelity) {
    GenerateRequest request = kRequest;
    request.flow.fidelity = fidelity;
    const GeneratedImage image = run({request}).images.at(0);
    const torch::Tensor& low = image.low_pixels;
    return (resize_bicubic(image.pixels, low.size(2), low.size(3)) - low).abs().mean().item<double>();
  };
  EXPECT_LT(unfaithfulness(1.0), unfaithfulness(0.5) / 2);
  EXPECT_LT(unfaithfulness(0.5), unfaithfulness(0.0) / 2);
  EXPECT_EQ(unfaithfulness({}), unfaithfulness(0.0)) << "this network was trained with a single noising step";
}

TEST_F(Generate, PassesTheGuidanceToADenoiserThatEmbedsIt) {
  files_.manifest["denoiser"]["guidance_embedding"] = 8;
  files_.set_program("denoiser.pt", {R"(
def forward(self, x, t, text, guidance):
    return x * self.one / 4 + guidance.sum(1).reshape(-1, 1, 1, 1)
)"});
  GenerateRequest request = kRequest;
  request.guidance = 2.5;
  request.steps = 1;
  const torch::Tensor found = run({request}).images.at(0).low_latent;
  auto generator = cpu_generator(5);
  const torch::Tensor start = gaussian_noise({1, 4, 6, 8}, generator);
  const double embedded = guidance_embedding(2.5, 8).sum().item<double>();
  const auto sampler = make_sampler({.name = "ddim", .steps = 1}, NoiseSchedule({}));
  const auto denoise = [&](const torch::Tensor& x, double) { return x / 4 + embedded; };
  EXPECT_TRUE(is_close(found, sampler->sample(start, denoise, {}), 1e-5));
}

TEST_F(Generate, RunsTwice) {
  GeneratePipeline pipeline(components_of(files_), nullptr, {});
  std::vector<torch::Tensor> results;
  const GenerateCallbacks callbacks{.progress = {},
                                    .finished = [&](std::size_t, GeneratedImage p) { results.push_back(p.pixels); },
                                    .failed = {},
                                    .notice = {}};
  pipeline.run({kRequest}, callbacks);
  pipeline.run({kRequest}, callbacks);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_TRUE(torch::equal(results[0], results[1]));
}

}  // namespace
}  // namespace fmboost
