#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "fmboost/core/error.h"
#include "fmboost/pipeline/upscale.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

std::string rejection(const Size& source, const UpscaleOptions& options) {
  return thrown<UsageError>([&] { upscaled_size(source, options); });
}

TEST(UpscaledSize, FollowsTheScale) {
  EXPECT_EQ(upscaled_size({100, 60}, {}), (Size{200, 120}));
  EXPECT_EQ(upscaled_size({100, 61}, {.scale = 1.5}), (Size{150, 92}));
  EXPECT_EQ(upscaled_size({1, 1}, {.scale = 64}), (Size{64, 64}));
}

TEST(UpscaledSize, FollowsTheLongerSide) {
  EXPECT_EQ(upscaled_size({300, 200}, {.long_side = 1000}), (Size{1000, 667}));
  EXPECT_EQ(upscaled_size({200, 300}, {.long_side = 1000}), (Size{667, 1000}));
  EXPECT_EQ(upscaled_size({4096, 1}, {.long_side = 8192}), (Size{8192, 2}));
}

TEST(UpscaledSize, AcceptsAnExactSizeOfTheSourcesShape) {
  EXPECT_EQ(upscaled_size({300, 200}, {.size = Size{1000, 667}}), (Size{1000, 667}));
  EXPECT_EQ(upscaled_size({300, 200}, {.size = Size{1000, 666}}), (Size{1000, 666}));
  EXPECT_EQ(upscaled_size({3, 2}, {.size = Size{8, 5}}), (Size{8, 5}));
}

TEST(UpscaledSize, RejectsDistortion) {
  EXPECT_THAT(rejection({300, 200}, {.size = Size{1000, 1000}}),
              AllOf(HasSubstr("`size` 1000x1000 would distort an image of 300x200"), HasSubstr("is 1000x667")));
  EXPECT_THAT(rejection({300, 200}, {.size = Size{1000, 680}}), HasSubstr("would distort"));
}

TEST(UpscaledSize, RejectsSizesThatAreNotLarger) {
  EXPECT_THAT(rejection({300, 200}, {.size = Size{300, 200}}), HasSubstr("300x200 cannot be upscaled to 300x200"));
  EXPECT_THAT(rejection({300, 200}, {.size = Size{150, 100}}), HasSubstr("use a larger size"));
  EXPECT_THAT(rejection({300, 200}, {.long_side = 299}), HasSubstr("cannot be upscaled to 299x199"));
  EXPECT_THAT(rejection({300, 200}, {.long_side = 0}), HasSubstr("cannot be upscaled"));
  EXPECT_THAT(rejection({3, 3}, {.scale = 1.1}), HasSubstr("cannot be upscaled to 3x3"));
}

TEST(UpscaledSize, IsAtMostTheLargestSide) {
  EXPECT_EQ(upscaled_size({4096, 4096}, {}), (Size{8192, 8192}));
  EXPECT_THAT(rejection({4097, 4096}, {}), HasSubstr("8194x8192 is out of range"));
  EXPECT_THAT(rejection({100, 100}, {.long_side = 9000}), HasSubstr("from 1 to 8192"));
  EXPECT_THAT(rejection({100, 100}, {.long_side = std::int64_t{1} << 60}), HasSubstr("out of range"));
}

TEST(UpscaleOptions, CheckNamesTheOptionOutOfRange) {
  const auto wrong = [](const UpscaleOptions& options) { return thrown<UsageError>([&] { options.check(); }); };
  for (const double scale : {1.0, 0.0, -2.0, 64.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(wrong({.scale = scale}), HasSubstr("`scale` must be more than 1 and at most 64"));
  }
  EXPECT_THAT(wrong({.flow = {.back_projection = -1}}),
              HasSubstr("`back_project` must be from 0 to 16 rounds, got -1"));
  EXPECT_THAT(wrong({.flow = {.back_projection = 17}}), HasSubstr("0 to 16 rounds, got 17"));
  EXPECT_THAT(wrong({.flow = {.steps = 0}}), HasSubstr("1 to 1000 steps"));
  EXPECT_THAT(wrong({.flow = {.solver = "rk5"}}), HasSubstr("unknown flow solver"));
  EXPECT_THAT(wrong({.flow = {.noising_step = 1000}}), HasSubstr("`flow_noise` must be at most 999, got 1000"));
  EXPECT_THAT(wrong({.flow = {.fidelity = 1.5}}),
              HasSubstr("`fidelity` must be from 0 (generative) to 1 (faithful), got 1.5"));
  EXPECT_THAT(wrong({.flow = {.fidelity = -0.1}}), HasSubstr("from 0 (generative)"));
  EXPECT_THAT(wrong({.flow = {.fidelity = std::nan("")}}), HasSubstr("got nan"));
  EXPECT_THAT(wrong({.tiles = {.automatic = false, .size = 63}}),
              AllOf(HasSubstr("`tile` must be"), HasSubstr("got 63")));
  EXPECT_THAT(wrong({.tiles = {.automatic = false, .size = 8193}}),
              HasSubstr("64 to 8192 pixels, auto or off, got 8193"));
  EXPECT_THAT(wrong({.tiles = {.overlap = -1}}), HasSubstr("got -1 pixels"));
  EXPECT_THAT(wrong({.tiles = {.automatic = false, .size = 128, .overlap = 65}}),
              HasSubstr("`tile_overlap` must be at least 0 and at most half the tile, got 65"));
  EXPECT_NO_THROW((UpscaleOptions{.flow = {.noising_step = -1}, .tiles = {.automatic = false}}.check()));
}

}  // namespace
}  // namespace fmboost
