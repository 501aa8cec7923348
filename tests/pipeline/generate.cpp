#include "fmboost/pipeline/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/random.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/image/resize.h"

#include "diffusion/guidance.h"
#include "generating.h"
#include "support/compare.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::is_close;
using test::Outcome;
using test::components_of;
using test::TinyBundle;
using testing::ElementsAre;
using testing::HasSubstr;

const GenerateRequest kRequest{.prompt = "red sky", .seed = 5, .size = Size{64, 48}};

class Generate : public testing::Test {
 protected:
  Outcome run(const std::vector<GenerateRequest>& requests, const GenerateSettings& settings = {}) const {
    return test::generate({components_of(files_), nullptr, settings}, requests);
  }
  torch::Tensor pixels(const GenerateRequest& request) const { return run({request}).images.at(0).pixels; }

  TinyBundle files_;
};

TEST_F(Generate, MakesImagesOfExactlyTheSizeAskedFor) {
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

TEST_F(Generate, CutsSizesThatItCannotDrawFromTheirMiddle) {
  GenerateRequest request = kRequest;
  request.upscale = false;
  request.size = Size{32, 32};
  const torch::Tensor whole = pixels(request);
  request.size = Size{28, 30};
  EXPECT_TRUE(torch::equal(pixels(request), whole.slice(2, 1, 31).slice(3, 2, 30)));
}

// The tiny denoiser is a formula: the sampler's arithmetic, its noise and the guidance can be done again beside it.
TEST_F(Generate, DrawsTheNoiseOfItsSeedInOrderAndGuides) {
  for (const char* name : {"ddim", "lcm", "euler-a"}) {
    GenerateRequest request = kRequest;
    request.sampler = name;
    request.steps = 3;
    request.negative_prompt = "blue";
    const torch::Tensor found =
        run({request}, {.keep_intermediates = true}).images.at(0).intermediates.at("low_latent");
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

TEST_F(Generate, RepeatsItselfForASeed) {
  EXPECT_TRUE(torch::equal(pixels(kRequest), pixels(kRequest)));
  GenerateRequest other = kRequest;
  other.seed = 6;
  EXPECT_FALSE(torch::equal(pixels(other), pixels(kRequest)));
}

TEST_F(Generate, GivesABatchTheImagesItWouldGiveAlone) {
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
      EXPECT_EQ(together.images.at(i).plan.request, requests[i]);
    }
  }
}

TEST_F(Generate, KeepsTheCouplingsNoiseWhenTheSamplerDrawsMore) {
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

TEST_F(Generate, KeepsIntermediatesOnlyWhenAsked) {
  EXPECT_TRUE(run({kRequest}).images.at(0).intermediates.empty());
  const GeneratedImage image = run({kRequest}, {.keep_intermediates = true}).images.at(0);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : image.intermediates) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ElementsAre("context-0", "high_latent-0", "low", "low_latent"));
  EXPECT_EQ(image.intermediates.at("low_latent").sizes(), at::IntArrayRef({1, 4, 6, 8}));
  EXPECT_EQ(image.intermediates.at("low").sizes(), at::IntArrayRef({1, 3, 24, 32}));
}

TEST_F(Generate, MeasuresItsStagesAndReportsProgress) {
  GenerateRequest request = kRequest;
  request.steps = 4;
  const Outcome outcome = run({request});
  std::vector<std::string> stages;
  for (const auto& [stage, seconds] : outcome.images.at(0).seconds) {
    stages.push_back(stage);
    EXPECT_GE(seconds, 0);
  }
  EXPECT_THAT(stages, ElementsAre("upscale", "decode", "denoise", "text"));
  EXPECT_EQ(outcome.progress.at("denoise"), 4);
  EXPECT_EQ(outcome.progress.at("flow 1"), 2);
}

TEST_F(Generate, NoticesWhatAUserShouldKnowOfTheirPrompt) {
  std::vector<GenerateRequest> requests(5, kRequest);
  requests[0].prompt = "";
  requests[1].prompt = "red green sky purple green";
  requests[2].prompt = "red sky, blue sea, round";
  requests[3].negative_prompt = "loud";
  requests[4].negative_prompt = "loud";
  requests[4].guidance = 1.0;
  const Outcome outcome = run(requests);
  EXPECT_EQ(outcome.images.size(), 5U);
  EXPECT_THAT(outcome.notices.at(0), ElementsAre(HasSubstr("the prompt is empty")));
  EXPECT_THAT(outcome.notices.at(1), ElementsAre(HasSubstr("does not know 'green', 'purple' of the prompt")));
  EXPECT_THAT(outcome.notices.at(2),
              ElementsAre(testing::AllOf(HasSubstr("longer than the 4 tokens"), HasSubstr("sea"))));
  EXPECT_THAT(outcome.notices.at(3), ElementsAre(HasSubstr("'loud' of the negative prompt")));
  EXPECT_FALSE(outcome.notices.contains(4));  // without guidance it is never read
}

TEST_F(Generate, DrawsWithoutAPromptAsWithTheNullWord) {
  GenerateRequest empty = kRequest;
  empty.prompt = "  ";
  GenerateRequest unknown = kRequest;
  unknown.prompt = "xyzzy";
  EXPECT_TRUE(torch::equal(pixels(empty), pixels(unknown)));
}

TEST_F(Generate, UpscalesWithAnotherBundle) {
  TinyBundle other;  // with latents of its own kind, and a still velocity
  other.manifest["autoencoder"].update({{"scale", 2.0}, {"shift", 0.0}});
  other.stop_velocity();
  GenerateRequest request = kRequest;
  request.flow.noising_step = 0;
  const Outcome outcome = test::generate({components_of(files_), components_of(other), {.keep_intermediates = true}}, {request});
  const GeneratedImage& image = outcome.images.at(0);
  const torch::Tensor low = image.intermediates.at("low");
  EXPECT_GT(low.abs().max().item<double>(), 1);  // so that clamping shows
  const torch::Tensor upscaled = upsample_bilinear(low.clamp(-1, 1), 48, 64);
  const torch::Tensor expected = at::avg_pool2d(upscaled, {4, 4}).repeat_interleave(4, 2).repeat_interleave(4, 3);
  EXPECT_TRUE(is_close(image.pixels, expected, 1e-5));
}

TEST_F(Generate, ProjectsBackOntoTheLowResolutionImageAsTheFidelitySays) {
  const auto unfaithfulness = [&](std::optional<double> fidelity) {
    GenerateRequest request = kRequest;
    request.flow.fidelity = fidelity;
    const GeneratedImage image = run({request}, {.keep_intermediates = true}).images.at(0);
    const torch::Tensor low = image.intermediates.at("low");
    return (resize_bicubic(image.pixels, low.size(2), low.size(3)) - low).abs().mean().item<double>();
  };
  EXPECT_LT(unfaithfulness(1.0), unfaithfulness(0.5) / 2);
  EXPECT_LT(unfaithfulness(0.5), unfaithfulness(0.0) / 2);
  EXPECT_EQ(unfaithfulness({}), unfaithfulness(0.0)) << "this network knows one noise alone";
}

TEST_F(Generate, HandsTheGuidanceToADenoiserThatEmbedsIt) {
  files_.manifest["denoiser"]["guidance_embedding"] = 8;
  files_.set_program("denoiser.pt", {R"(
def forward(self, x, t, text, guidance):
    return x * self.one / 4 + guidance.sum(1).reshape(-1, 1, 1, 1)
)"});
  GenerateRequest request = kRequest;
  request.guidance = 2.5;
  request.steps = 1;
  const torch::Tensor found =
      run({request}, {.keep_intermediates = true}).images.at(0).intermediates.at("low_latent");
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
