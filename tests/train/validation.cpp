#include "train/validation.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/io/safetensors.h"

#include "process_group_run.h"
#include "support/compare.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "train/log/contact_sheet.h"
#include "validation_case.h"

namespace fmboost {
namespace {

using test::bent_velocity;
using test::QuarterAutoencoder;
using test::SmoothPairs;
using testing::AllOf;
using testing::HasSubstr;

FlowLossOptions from_context() {
  FlowLossOptions flow;
  flow.noising_step = 0;
  return flow;
}

// The constant velocity from the context to the latent.
torch::Tensor right_velocity(const torch::Tensor& x, double, const torch::Tensor&) {
  return torch::full_like(x, -0.1);
}

torch::Tensor no_velocity(const torch::Tensor& x, double, const torch::Tensor&) {
  return torch::zeros_like(x);
}

double psnr_of_offset(double offset) {
  return 10 * std::log10(4 / (offset * offset));  // pixels span 2
}

ValidationResult validate(const std::shared_ptr<const PairDataset>& pairs, const VelocityFunction& velocity,
                          const ValidationOptions& options = {}) {
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  return Validator(options, from_context(), pairs, torch::kCPU, group).run(velocity, autoencoder).value();
}

TEST(Validation, ResultAndStartAreComparedWithTheOriginals) {
  const auto result = validate(std::make_shared<SmoothPairs>(7), right_velocity);
  EXPECT_EQ(result.pairs, 7);
  EXPECT_EQ(result.originals, 7);
  EXPECT_NEAR(result.result.psnr_rgb, psnr_of_offset(0.02), 0.01);
  EXPECT_NEAR(result.start.psnr_rgb, psnr_of_offset(0.08), 0.01);
  EXPECT_NEAR(result.result.mse, std::pow(0.02 * 127.5, 2), 0.01);
  EXPECT_GT(result.result.ssim_rgb, 0.99);
  EXPECT_LE(result.result.ssim_rgb, 1);
  EXPECT_THAT(to_text(result), AllOf(HasSubstr("PSNR 40.00 dB (27.96 at the start)"),
                                     HasSubstr("7 pairs compared with their originals")));
}

TEST(Validation, DecodedLatentReplacesAMissingOriginal) {
  const auto result = validate(std::make_shared<SmoothPairs>(4, false), no_velocity);
  EXPECT_EQ(result.originals, 0);
  EXPECT_NEAR(result.result.psnr_rgb, psnr_of_offset(0.1), 0.01);
  EXPECT_NEAR(result.start.psnr_rgb, psnr_of_offset(0.1), 0.01);
  EXPECT_THAT(to_text(result), HasSubstr("compared with their decoded latents, as there are no originals"));
}

TEST(Validation, MetricsAreNamedForTheLog) {
  const auto metrics = validate(std::make_shared<SmoothPairs>(2), right_velocity).metrics();
  EXPECT_NEAR(metrics.at("validation/psnr"), 40, 0.01);
  EXPECT_NEAR(metrics.at("validation/start_psnr"), 27.96, 0.01);
  for (const char* name : {"validation/ssim", "validation/mse", "validation/start_ssim", "validation/start_mse"}) {
    EXPECT_TRUE(metrics.contains(name)) << name;
  }
}

TEST(Validation, ResultDoesNotDependOnTheBatchSize) {
  const auto pairs = std::make_shared<SmoothPairs>(7);
  ValidationOptions one;
  one.batch_size = 1;
  FlowLossOptions noisy;  // the noise depends only on the pair
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  const auto alone = Validator(one, noisy, pairs, torch::kCPU, group).run(bent_velocity, autoencoder).value();
  const auto together = Validator({}, noisy, pairs, torch::kCPU, group).run(bent_velocity, autoencoder).value();
  EXPECT_NEAR(alone.result.psnr_rgb, together.result.psnr_rgb, 1e-4);
  EXPECT_NEAR(alone.result.ssim_rgb, together.result.ssim_rgb, 1e-6);
}

TEST(Validation, ResultDoesNotDependOnTheNumberOfProcesses) {
  const test::TemporaryFolder folder;
  test::ProcessGroupRun run(2, "validate", folder / "result");
  ASSERT_EQ(run[0].wait(), 0) << run[0].output();
  ASSERT_EQ(run[1].wait(), 0) << run[1].output();
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  Validator validator({}, FlowLossOptions(), std::make_shared<SmoothPairs>(7), torch::kCPU, group);
  const auto alone = validator.run(bent_velocity, autoencoder).value();
  const SafetensorsFile shared(folder / "result");
  const torch::Tensor numbers = shared.tensor("numbers");
  EXPECT_EQ(numbers[0].item<double>(), 7);
  EXPECT_EQ(numbers[1].item<double>(), 7);
  EXPECT_NEAR(numbers[2].item<double>(), alone.result.psnr_rgb, 1e-4);
  EXPECT_NEAR(numbers[3].item<double>(), alone.result.ssim_rgb, 1e-6);
  EXPECT_NEAR(numbers[4].item<double>(), alone.start.psnr_rgb, 1e-4);
  EXPECT_EQ(shared.tensor("sheet").size(2), alone.sheet.size(2));
}

TEST(Validation, NetworkGetsItsTrainingInputs) {
  FlowLossOptions flow = from_context();
  flow.with_context = false;
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  int calls = 0;
  const auto velocity = [&](const torch::Tensor& x, double t, const torch::Tensor& context) {
    EXPECT_FALSE(context.defined());
    EXPECT_FALSE(x.requires_grad());
    EXPECT_GE(t, 0);
    EXPECT_LE(t, 1);
    ++calls;
    return torch::zeros_like(x);
  };
  Validator validator({.ode = {.method = "euler", .steps = 3}}, flow, std::make_shared<SmoothPairs>(2), torch::kCPU,
                      group);
  validator.run(velocity, autoencoder);
  EXPECT_EQ(calls, 3);
}

TEST(Validation, RangeIsMeasuredAtItsLeastNoise) {
  FlowLossOptions ranged = from_context();
  ranged.noising_step_max = 900;
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  Validator validator({}, ranged, std::make_shared<SmoothPairs>(3), torch::kCPU, group);
  const auto result = validator.run(right_velocity, autoencoder).value();
  EXPECT_EQ(result.result.psnr_rgb, validate(std::make_shared<SmoothPairs>(3), right_velocity).result.psnr_rgb);
}

TEST(Validation, SheetShowsTheFirstPairs) {
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  Validator validator({.sheet_pairs = 2}, from_context(), std::make_shared<SmoothPairs>(5), torch::kCPU, group);
  const torch::Tensor first = validator.run(no_velocity, autoencoder)->sheet;
  constexpr std::int64_t kGap = ContactSheetOptions{}.gap;
  ASSERT_EQ(first.sizes(), (std::vector<std::int64_t>{3, kGap + 2 * (24 + kGap), kGap + 3 * (24 + kGap)}));
  // The images of a column, without the gaps.
  const auto column = [](const torch::Tensor& sheet, std::int64_t i) {
    const torch::Tensor strip = sheet.narrow(2, kGap + i * (24 + kGap), 24);
    return torch::cat({strip.narrow(1, kGap, 24), strip.narrow(1, 2 * kGap + 24, 24)}, 1);
  };
  EXPECT_TRUE(torch::equal(column(first, 0), column(first, 1))) << "the velocity is 0";
  const torch::Tensor second = validator.run(right_velocity, autoencoder)->sheet;
  EXPECT_TRUE(torch::equal(column(first, 0), column(second, 0)));
  EXPECT_TRUE(torch::allclose(column(second, 1), column(second, 0) - 0.1, 0, 1e-5));
  EXPECT_TRUE(torch::allclose(column(second, 2), column(second, 1) + 0.02, 0, 1e-5));
}

TEST(Validation, StartIsMeasuredOnce) {
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  Validator validator({}, from_context(), std::make_shared<SmoothPairs>(4), torch::kCPU, group);
  const auto first = validator.run(right_velocity, autoencoder);
  EXPECT_EQ(autoencoder.decoded, 8);
  const auto second = validator.run(right_velocity, autoencoder);
  EXPECT_EQ(autoencoder.decoded, 12);
  EXPECT_EQ(first->start.psnr_rgb, second->start.psnr_rgb);
  EXPECT_EQ(first->result.psnr_rgb, second->result.psnr_rgb);
}

TEST(Validation, NumberOfPairsIsLimited) {
  EXPECT_EQ(validate(std::make_shared<SmoothPairs>(5), no_velocity, {.pairs = 3}).pairs, 3);
}

TEST(Validation, NonFiniteResultIsAnError) {
  const auto diverging = [](const torch::Tensor& x, double, const torch::Tensor&) {
    return torch::full_like(x, std::numeric_limits<double>::infinity());
  };
  EXPECT_THAT(test::thrown<Error>([&] { validate(std::make_shared<SmoothPairs>(1), diverging); }),
              AllOf(HasSubstr("'pair-0'"), HasSubstr("not finite")));
}

class CroppedPairs final : public PairDataset {
 public:
  std::size_t size() const override { return 1; }
  LatentPair get(std::size_t, std::uint64_t) const override {
    return {.key = "cropped", .latent = torch::zeros({3, 6, 6}), .context = torch::zeros({3, 6, 6})};
  }
  torch::Tensor original(std::size_t, std::uint64_t) const override { return torch::zeros({3, 40, 24}); }
};

TEST(Validation, OriginalOfAnotherSizeIsAnError) {
  EXPECT_THAT(test::thrown<Error>([&] { validate(std::make_shared<CroppedPairs>(), no_velocity); }),
              AllOf(HasSubstr("'cropped'"), HasSubstr("24x24"), HasSubstr("24x40")));
}

TEST(Validation, InvalidOptionsAndEmptyDataAreRefused) {
  const auto pairs = std::make_shared<SmoothPairs>(1);
  EXPECT_THROW(validate(pairs, no_velocity, {.pairs = 0}), UsageError);
  EXPECT_THROW(validate(pairs, no_velocity, {.batch_size = 0}), UsageError);
  EXPECT_THROW(validate(pairs, no_velocity, {.sheet_pairs = -1}), UsageError);
  EXPECT_THROW(validate(pairs, no_velocity, {.ode = {.method = "guess"}}), UsageError);
  EXPECT_THROW(validate(std::make_shared<SmoothPairs>(0), no_velocity), UsageError);
}

// The signal's flag cannot be reset, so the case runs in its own process.
int exit_code_of_interrupted_validation() {
  install_interrupt_handlers();
  ProcessGroup group;
  QuarterAutoencoder autoencoder;
  const auto pairs = std::make_shared<SmoothPairs>(4);
  Validator validator({.batch_size = 1}, from_context(), pairs, torch::kCPU, group);
  int calls = 0;
  const auto velocity = [&](const torch::Tensor& x, double, const torch::Tensor&) {
    if (++calls == 5) {
      std::raise(SIGTERM);
    }
    return torch::zeros_like(x);
  };
  const bool finished = validator.run(velocity, autoencoder).has_value();
  return finished ? 1 : calls == 5 ? 0 : 2;
}

TEST(Validation, SignalReturnsNothing) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(std::_Exit(exit_code_of_interrupted_validation()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fmboost
