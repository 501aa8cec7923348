#include "fmboost/image/resize.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace fmboost {
namespace {

// 4x6 values between -1 and 1.
torch::Tensor image() {
  return ((torch::arange(24) * 37).remainder(101).to(torch::kFloat32) / 50 - 1).reshape({1, 1, 4, 6});
}

torch::Tensor row(std::initializer_list<std::int64_t> values) {
  return torch::tensor(std::vector<std::int64_t>(values)).to(torch::kFloat32).reshape({1, 1, 1, -1});
}

// Image.resize(..., Image.BICUBIC) of Pillow 13 on mode F.
TEST(ResizeBicubic, ReducesAsPillowDoes) {
  const auto expected = torch::tensor({{-0.28255576, 0.04986058, -0.05589197}, {0.25600436, -0.01036969, -0.19222516}});
  EXPECT_TRUE(torch::allclose(resize_bicubic(image(), 2, 3)[0][0], expected, 0, 1e-6));
}

TEST(ResizeBicubic, PillowsKernelIsUsedIfOneSideShrinks) {
  const auto expected = torch::tensor({-0.81397343, -0.45076326, 0.09939661, 0.55176729, -0.02388947, -0.52662498,
                                       0.16363829, 0.07087992, -0.20695740});
  EXPECT_TRUE(torch::allclose(resize_bicubic(image(), 2, 9)[0][0][0], expected, 0, 1e-6));
}

// torch.nn.functional.interpolate(..., mode="bicubic").
TEST(ResizeBicubic, UpscalesAsPyTorchDoes) {
  const auto expected = torch::tensor({-1.09895885, -0.73409736, -0.10206039, 0.46303236, -0.19472227, -0.85552114,
                                       -0.30260518, 0.43232644, 0.90008247});
  EXPECT_TRUE(torch::allclose(resize_bicubic(image(), 6, 9)[0][0][0], expected, 0, 1e-6));
}

TEST(ResizeBicubic, SameSizeChangesNothing) {
  EXPECT_TRUE(torch::allclose(resize_bicubic(image(), 4, 6), image(), 0, 1e-6));
}

TEST(ResizeBicubic, KeepsFlatImagesFlat) {
  const auto flat = torch::full({2, 3, 5, 7}, 0.3F);
  EXPECT_TRUE(torch::allclose(resize_bicubic(flat, 13, 3), torch::full({2, 3, 13, 3}, 0.3F), 0, 1e-6));
}

TEST(PadReflect, ReflectsWithoutRepeatingTheEdge) {
  EXPECT_TRUE(torch::equal(pad_reflect(row({0, 1, 2, 3}), {.left = 2, .right = 3}), row({2, 1, 0, 1, 2, 3, 2, 1, 0})));
}

// numpy.pad(..., mode="reflect").
TEST(PadReflect, MarginsMayExceedTheImage) {
  EXPECT_TRUE(torch::equal(pad_reflect(row({0, 1}), {.left = 7, .right = 9}),
                           row({1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0})));
  EXPECT_TRUE(torch::equal(pad_reflect(row({0, 1, 2}), {.left = 1, .right = 10}),
                           row({1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0})));
  EXPECT_TRUE(torch::equal(pad_reflect(row({0, 1, 2}), {.left = 7, .right = 9}),
                           row({1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1})));
  EXPECT_TRUE(torch::equal(pad_reflect(row({0, 1, 2, 3, 4}), {.left = 7, .right = 9}),
                           row({1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3})));
}

TEST(PadReflect, RepeatsASinglePixel) {
  const auto padded = pad_reflect(torch::full({1, 3, 1, 1}, 0.5F), {.left = 2, .right = 1, .top = 3, .bottom = 4});
  EXPECT_TRUE(torch::equal(padded, torch::full({1, 3, 8, 4}, 0.5F)));
}

TEST(PadReflect, PadsRowsAsItPadsColumns) {
  const auto x = image();
  const auto wide = pad_reflect(x, {.left = 3, .right = 11});
  const auto high = pad_reflect(x.transpose(2, 3), {.top = 3, .bottom = 11});
  EXPECT_TRUE(torch::equal(high, wide.transpose(2, 3)));
  EXPECT_EQ(wide.size(3), 20);
}

TEST(PadReflect, ZeroMarginsChangeNothing) {
  EXPECT_TRUE(torch::equal(pad_reflect(image(), {}), image()));
}

TEST(Crop, UndoesPadding) {
  for (const Margins margins :
       {Margins{}, Margins{.left = 1, .right = 2, .top = 3, .bottom = 4}, Margins{.left = 40}, Margins{.bottom = 17}}) {
    EXPECT_TRUE(torch::equal(crop(pad_reflect(image(), margins), margins), image()));
  }
}

TEST(Crop, RemovesTheMargins) {
  const auto x = image();
  EXPECT_TRUE(torch::equal(crop(x, {.left = 1, .right = 2, .top = 1, .bottom = 0}), x.slice(2, 1, 4).slice(3, 1, 4)));
}

}  // namespace
}  // namespace fmboost
