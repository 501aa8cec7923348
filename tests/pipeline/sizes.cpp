#include "fmboost/pipeline/sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using Factors = std::vector<std::int64_t>;

TEST(Size, IsParsedFromOneOrTwoNumbers) {
  EXPECT_EQ(parse_size("1024"), (Size{1024, 1024}));
  EXPECT_EQ(parse_size("1024x768"), (Size{1024, 768}));
  EXPECT_EQ(parse_size("1X8192"), (Size{1, 8192}));
  EXPECT_EQ(to_string(Size{1024, 768}), "1024x768");
}

TEST(Size, RejectsOtherText) {
  for (const char* text : {"", "x", "0", "8193", "-5", "12x", "x12", "12x0", "12x13x14", "1e3", "12 x 13", "+5", "12.5",
                           "99999999999999999999"}) {
    EXPECT_THAT(thrown<UsageError>([&] { parse_size(text); }),
                AllOf(HasSubstr("'" + std::string(text) + "'"), HasSubstr("from 1 to 8192")));
  }
}

TEST(Size, SidesOutsideTheLimitsAreRejected) {
  EXPECT_NO_THROW(check_size({1, 8192}, "an image"));
  for (const Size& size : {Size{0, 5}, Size{5, -1}, Size{8193, 5}, Size{5, 8193}}) {
    EXPECT_THAT(thrown<UsageError>([&] { check_size(size, "an image"); }),
                HasSubstr("an image of " + to_string(size) + " is out of range"));
  }
}

struct Ratio {
  double ratio;
  Factors available;
  Factors chosen;
};

class PlanFactors : public testing::TestWithParam<Ratio> {};

TEST_P(PlanFactors, ChooseTheSmallestProductThenTheFewestStagesLargestFirst) {
  EXPECT_EQ(plan_factors(GetParam().ratio, GetParam().available), GetParam().chosen) << GetParam().ratio;
}

INSTANTIATE_TEST_SUITE_P(Sizes, PlanFactors,
                         testing::Values(Ratio{0.5, {2}, {}}, Ratio{1.0, {2}, {}}, Ratio{1.0, {}, {}},
                                         Ratio{1.0001, {2}, {2}}, Ratio{2.0, {2}, {2}}, Ratio{2.0 + 1e-12, {2}, {2}},
                                         Ratio{2.001, {2}, {2, 2}}, Ratio{4.0, {2}, {2, 2}}, Ratio{4.0, {2, 4}, {4}},
                                         Ratio{4.0, {4, 2}, {4}}, Ratio{3.0, {2, 4}, {4}}, Ratio{2.0, {4, 2}, {2}},
                                         Ratio{8.0, {2, 4}, {4, 2}}, Ratio{5.0, {2, 3}, {3, 2}},
                                         Ratio{7.0, {2, 3}, {2, 2, 2}}, Ratio{9.0, {2, 3}, {3, 3}},
                                         Ratio{16.0, {2, 4}, {4, 4}}, Ratio{64.0, {2}, {2, 2, 2, 2, 2, 2}},
                                         Ratio{5.0, {4}, {4, 4}}, Ratio{4.0, {2, 2, 4, 4}, {4}},
                                         Ratio{8192.0, {16, 2}, {16, 16, 16, 2}}));

TEST(PlanFactors, NeedsCouplingsToUpscale) {
  EXPECT_THAT(thrown<UsageError>([] { plan_factors(2.0, {}); }), HasSubstr("no coupling"));
}

struct Chain {
  Size final_size;
  std::int64_t native, multiple;
  Factors available;
  Size low;
  Factors factors;
};

class PlanGeneration : public testing::TestWithParam<Chain> {};

TEST_P(PlanGeneration, BringsTheNativeSizeToTheShorterSide) {
  const Chain& chain = GetParam();
  const ChainPlan plan = plan_generation(chain.final_size, chain.native, chain.multiple, chain.available);
  EXPECT_EQ(to_string(plan.low), to_string(chain.low));
  EXPECT_EQ(plan.factors, chain.factors);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, PlanGeneration,
    testing::Values(
        Chain{{512, 512}, 512, 64, {2}, {512, 512}, {}}, Chain{{1024, 1024}, 512, 64, {2}, {512, 512}, {2}},
        Chain{{2048, 2048}, 512, 64, {2}, {512, 512}, {2, 2}}, Chain{{2048, 2048}, 512, 64, {2, 4}, {512, 512}, {4}},
        Chain{{8192, 8192}, 512, 64, {2}, {512, 512}, {2, 2, 2, 2}}, Chain{{1000, 1000}, 512, 64, {2}, {512, 512}, {2}},
        Chain{{1025, 1025}, 512, 64, {2}, {320, 320}, {2, 2}}, Chain{{1536, 1024}, 512, 64, {2}, {768, 512}, {2}},
        Chain{{1024, 512}, 512, 64, {2}, {1024, 512}, {}}, Chain{{1, 1}, 512, 64, {2}, {64, 64}, {}},
        Chain{{3, 8192}, 512, 64, {2}, {64, 8192}, {}}, Chain{{513, 700}, 512, 64, {2}, {320, 384}, {2}},
        Chain{{512, 512}, 512, 64, {}, {512, 512}, {}}, Chain{{1024, 1024}, 128, 32, {2, 4}, {128, 128}, {4, 2}}));

TEST(PlanGeneration, NeedsCouplingsBeyondTheNativeSize) {
  EXPECT_THAT(thrown<UsageError>([] {
                plan_generation({1024, 1024}, 512, 64, {});
              }),
              HasSubstr("use `upscale` false, or an `upscaler`"));
}

TEST(PlanGenerationFrom, CoversBothSides) {
  const ChainPlan plan = plan_generation_from({256, 512}, {1024, 1024}, 64, {2});
  EXPECT_EQ(plan.low, (Size{256, 512}));
  EXPECT_EQ(plan.factors, Factors({2, 2}));
  EXPECT_TRUE(plan_generation_from({512, 512}, {500, 460}, 64, {2}).factors.empty());
}

TEST(PlanGenerationFrom, RejectsASizeThatDoesNotFit) {
  const auto rejection = [](const Size& low, const Size& final_size) {
    return thrown<UsageError>([&] { plan_generation_from(low, final_size, 64, {2}); });
  };
  EXPECT_THAT(rejection({500, 512}, {1024, 1024}), AllOf(HasSubstr("multiples of 64"), HasSubstr("512x512")));
  EXPECT_THAT(rejection({512, 576}, {512, 512}), HasSubstr("512x576 is larger than the final size 512x512"));
  EXPECT_THAT(rejection({1024, 512}, {512, 1024}), HasSubstr("is larger than"));
  EXPECT_THAT(rejection({0, 64}, {512, 512}), HasSubstr("`base_size` of 0x64 is out of range"));
  EXPECT_THAT(rejection({-64, 64}, {512, 512}), HasSubstr("out of range"));
}

}  // namespace
}  // namespace fmboost
