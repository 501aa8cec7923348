#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "generating.h"
#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::components_of;
using test::Outcome;
using test::TinyBundle;
using testing::AllOf;
using testing::HasSubstr;
using testing::Key;
using testing::UnorderedElementsAre;

const GenerateRequest kFailingRequest{.prompt = "red sky", .seed = 5, .size = Size{64, 48}};

class GenerateFailures : public testing::Test {
 protected:
  Outcome run(std::int64_t batch_size = 1) const {
    return test::generate({components_of(files_), nullptr, {.batch_size = batch_size}}, requests_);
  }

  TinyBundle files_;
  std::vector<GenerateRequest> requests_ = std::vector<GenerateRequest>(4, kFailingRequest);
};

TEST_F(GenerateFailures, InvalidRequestDoesNotStopTheOthers) {
  requests_[1].steps = 0;
  requests_[2].prompt = std::string("red \xff");
  requests_[3].size = Size{0, 0};
  const Outcome outcome = run(4);
  EXPECT_THAT(outcome.images, UnorderedElementsAre(Key(0)));
  EXPECT_THAT(outcome.errors, UnorderedElementsAre(Key(1), Key(2), Key(3)));
  EXPECT_THAT(outcome.errors.at(1), HasSubstr("number of steps"));
  EXPECT_THAT(outcome.errors.at(2), HasSubstr("UTF-8"));
}

TEST_F(GenerateFailures, NegativePromptThatIsNotTextIsFoundBeforeItsBatch) {
  requests_[2].negative_prompt = std::string("a\0b", 3);
  const Outcome outcome = run(4);
  EXPECT_THAT(outcome.images, UnorderedElementsAre(Key(0), Key(1), Key(3)));
  EXPECT_THAT(outcome.errors, UnorderedElementsAre(Key(2)));
}

// Prompts with "round" (id 4, the only one with states of 0.5) make the denoiser return infinite values.
constexpr const char* kBreaksOnRound = R"(
def forward(self, x, t, text):
    broken = (text == 0.5).any(2).any(1).to(x.dtype).reshape(-1, 1, 1, 1)
    return x * self.one / (1 - broken)
)";

TEST_F(GenerateFailures, BrokenImageDoesNotAffectItsBatch) {
  files_.set_program("denoiser.pt", {kBreaksOnRound});
  requests_[1].prompt = "round";
  for (const std::int64_t batch_size : {1, 2, 4}) {
    const Outcome outcome = run(batch_size);
    EXPECT_THAT(outcome.images, UnorderedElementsAre(Key(0), Key(2), Key(3))) << batch_size;
    EXPECT_THAT(outcome.errors, UnorderedElementsAre(Key(1))) << batch_size;
    EXPECT_THAT(outcome.errors.at(1), HasSubstr("the denoiser gave NaN or infinite values"));
  }
}

TEST_F(GenerateFailures, PromptThatBreaksTheTextEncoderFailsAlone) {
  files_.set_program("text_encoder.pt", {R"(
def forward(self, ids):
    return (ids.to(self.one.dtype) * self.one / (ids != 4)).unsqueeze(-1).expand(-1, -1, 3).contiguous()
)"});
  requests_[1].prompt = "round";
  const Outcome outcome = run(4);
  EXPECT_THAT(outcome.images, UnorderedElementsAre(Key(0), Key(2), Key(3)));
  EXPECT_THAT(outcome.errors.at(1), HasSubstr("the text encoder gave NaN or infinite values"));
}

TEST_F(GenerateFailures, CallbackErrorFailsItsImageOnly) {
  GeneratePipeline pipeline(components_of(files_), nullptr, {.batch_size = 4});
  std::vector<std::size_t> finished;
  std::map<std::size_t, std::string> failed;
  pipeline.run(requests_,
               {.progress = {},
                .finished =
                    [&](std::size_t index, const GeneratedImage&) {
                      finished.push_back(index);
                      if (index == 1) {
                        throw Error("the disk is full");
                      }
                    },
                .failed = [&](std::size_t index, const std::exception& error) { failed[index] = error.what(); },
                .notice = {}});
  EXPECT_THAT(finished, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(failed, UnorderedElementsAre(testing::Pair(1, "the disk is full")));
}

TEST_F(GenerateFailures, OutOfMemoryShrinksTheBatch) {
  const Outcome sound = run();
  files_.set_program("denoiser.pt", {R"(
def forward(self, x, t, text):
    assert x.size(0) <= 2, 'CUDA out of memory'
    words = text.mean([1, 2]).reshape(-1, 1, 1, 1)
    return (x * self.one / 4 + words + (t / 8000).reshape(-1, 1, 1, 1)).to(x.dtype)
)"});
  const Outcome outcome = run(4);  // guided: twice as many in the denoiser
  EXPECT_TRUE(outcome.errors.empty());
  ASSERT_EQ(outcome.images.size(), 4U);
  for (const auto& [index, image] : outcome.images) {
    EXPECT_TRUE(test::is_close(image.pixels, sound.images.at(index).pixels, 1e-5));
  }
}

TEST_F(GenerateFailures, OutOfMemoryWithASingleImageFailsThatImage) {
  files_.set_program("denoiser.pt", {R"(
def forward(self, x, t, text):
    assert x.size(3) <= 8, 'CUDA out of memory'
    return x * self.one
)"});
  requests_[2].size = Size{100, 48};
  const Outcome outcome = run();
  EXPECT_THAT(outcome.images, UnorderedElementsAre(Key(0), Key(1), Key(3)));
  EXPECT_THAT(outcome.errors.at(2), AllOf(HasSubstr("out of memory"), HasSubstr("denoiser.pt")));
}

TEST_F(GenerateFailures, ModelErrorEndsTheRun) {
  files_.set_program("denoiser.pt", {"def forward(self, x, t, text):\n    return x if x.size(0) == 1 else x.view(-1)"});
  EXPECT_THROW(run(4), Error);
  files_.set_program("denoiser.pt", {"def forward(self, x, t, text):\n    return x * self.one"});
  std::filesystem::remove(files_.folder() / "decoder.pt");
  EXPECT_THAT(test::thrown<ModelError>([&] { run(); }), HasSubstr("decoder.pt', which is missing"));
}

TEST_F(GenerateFailures, FailedPlansLeaveNothingToGenerate) {
  for (auto& request : requests_) {
    request.sampler = "none";
  }
  const Outcome outcome = run(4);
  EXPECT_TRUE(outcome.images.empty());
  EXPECT_EQ(outcome.errors.size(), 4U);
  EXPECT_TRUE(outcome.progress.empty());
}

}  // namespace
}  // namespace fmboost
