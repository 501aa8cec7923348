#include "pipeline/strip_resize.h"

#include <gtest/gtest.h>

#include "fmboost/core/random.h"
#include "fmboost/flow/coupling.h"
#include "fmboost/pipeline/back_projection.h"

#include "core/spilled_tensor.h"
#include "support/compare.h"

namespace fmboost {
namespace {

using test::is_close;

constexpr double kTolerance = 1e-5;

torch::Tensor random_image(std::int64_t height, std::int64_t width) {
  auto generator = cpu_generator(3);
  return gaussian_noise({1, 3, height, width}, generator);
}

torch::Tensor in_strips(const ResizedRows& resized, std::int64_t count) {
  std::vector<torch::Tensor> strips;
  for (std::int64_t top = 0; top < resized.height(); top += count) {
    strips.push_back(resized.rows(top, std::min(top + count, resized.height())));
  }
  return torch::cat(strips, 2);
}

TEST(ResizedRows, EqualThoseOfTheWholeImage) {
  const torch::Tensor image = random_image(37, 23);
  for (const Size& size : {Size{46, 74}, Size{69, 111}, Size{31, 50}, Size{23, 37}, Size{12, 19}, Size{7, 9},
                           Size{46, 37}, Size{23, 1}, Size{1, 80}}) {
    for (const std::int64_t count : {1, 4, 1000}) {
      EXPECT_TRUE(is_close(in_strips(ResizedRows(image, size, Resampling::bicubic), count),
                           resize_bicubic(image, size.height, size.width), kTolerance))
          << to_string(size);
      if (size.height >= 37) {
        EXPECT_TRUE(is_close(in_strips(ResizedRows(image, size, Resampling::bilinear), count),
                             upsample_bilinear(image, size.height, size.width), kTolerance))
            << to_string(size);
      }
    }
  }
}

TEST(ResizedRows, EqualThoseOfASmallImage) {
  for (const std::int64_t side : {1, 2, 3}) {
    const torch::Tensor image = random_image(side, side);
    EXPECT_TRUE(is_close(in_strips(ResizedRows(image, {9, 7}, Resampling::bicubic), 2), resize_bicubic(image, 7, 9),
                         kTolerance));
    EXPECT_TRUE(is_close(in_strips(ResizedRows(image, {9, 7}, Resampling::bilinear), 2), upsample_bilinear(image, 7, 9),
                         kTolerance));
  }
}

TEST(PaddedInFile, EqualsThePaddedImage) {
  for (const std::int64_t height : {1, 2, 5, 40}) {
    const torch::Tensor image = random_image(height, 30);
    const Margins margins{.left = 16, .right = 21, .top = 17, .bottom = 23};
    const torch::Tensor padded = padded_in_file(ResizedRows(image, {60, 2 * height}, Resampling::bilinear), margins);
    EXPECT_TRUE(is_spilled(padded));
    EXPECT_TRUE(is_close(padded, pad_reflect(upsample_bilinear(image, 2 * height, 60), margins), kTolerance)) << height;
  }
}

TEST(BackProjectInStrips, EqualsBackProjectionOfTheWholeImage) {
  const torch::Tensor source = random_image(400, 700);
  for (const double scale : {2.0, 1.5, 4.0}) {
    const auto height = static_cast<std::int64_t>(400 * scale);
    const auto width = static_cast<std::int64_t>(700 * scale);
    torch::Tensor upscaled = random_image(height, width);
    ASSERT_LT(rows_per_strip(upscaled), height) << "one strip";
    const torch::Tensor whole = back_project(upscaled, source, 2);
    back_project_in_strips(upscaled, source, 2);
    EXPECT_TRUE(is_close(upscaled, whole, kTolerance)) << scale;
  }
}

}  // namespace
}  // namespace fmboost
