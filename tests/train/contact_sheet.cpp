#include "train/log/contact_sheet.h"

#include <gtest/gtest.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

torch::Tensor plain(double value, std::int64_t height, std::int64_t width) {
  return torch::full({3, height, width}, value);
}

TEST(ContactSheet, ImagesAreArrangedInRows) {
  const torch::Tensor sheet =
      contact_sheet({{plain(-1, 4, 6), plain(0.5, 4, 6)}, {plain(1, 4, 6), plain(-0.5, 4, 6)}}, {.gap = 2});
  ASSERT_EQ(sheet.sizes(), (std::vector<std::int64_t>{3, 14, 18}));
  const auto at = [&](std::int64_t y, std::int64_t x) { return sheet[2][y][x].item<double>(); };
  EXPECT_EQ(at(2, 2), -1);
  EXPECT_EQ(at(5, 15), 0.5);
  EXPECT_EQ(at(8, 7), 1);
  EXPECT_EQ(at(11, 10), -0.5);
  EXPECT_EQ(at(0, 0), 0) << "the gap";
  EXPECT_EQ(at(6, 4), 0) << "the gap between rows";
}

TEST(ContactSheet, SmallImagesAreUpscaledPixelByPixel) {
  torch::Tensor small = plain(-1, 2, 2);
  small.index_put_({torch::indexing::Slice(), 0, 1}, 1);
  const torch::Tensor sheet = contact_sheet({{small, plain(0, 4, 4)}}, {.gap = 0});
  ASSERT_EQ(sheet.sizes(), (std::vector<std::int64_t>{3, 4, 8}));
  EXPECT_TRUE(torch::equal(sheet[0].slice(0, 0, 2).slice(1, 2, 4), torch::ones({2, 2})));
  EXPECT_TRUE(torch::equal(sheet[0].slice(0, 0, 2).slice(1, 0, 2), -torch::ones({2, 2})));
}

TEST(ContactSheet, LargeImagesAreDownsampledInProportion) {
  const torch::Tensor sheet =
      contact_sheet({{plain(0.25, 100, 200)}, {plain(0.75, 30, 20)}}, {.largest_side = 40, .gap = 1});
  EXPECT_EQ(sheet.sizes(), (std::vector<std::int64_t>{3, 1 + 20 + 1 + 30 + 1, 42}));
  EXPECT_NEAR(sheet[0][10][20].item<double>(), 0.25, 1e-6);
}

TEST(ContactSheet, ValuesAreClamped) {
  const torch::Tensor sheet = contact_sheet({{plain(1.5, 2, 2), plain(-1.5, 2, 2)}});
  EXPECT_EQ(sheet.max().item<double>(), 1);
  EXPECT_EQ(sheet.min().item<double>(), -1);
}

TEST(ContactSheet, InvalidTableIsRefused) {
  EXPECT_THROW(contact_sheet({}), Error);
  EXPECT_THROW(contact_sheet({{plain(0, 2, 2)}, {plain(0, 2, 2), plain(0, 2, 2)}}), Error);
  EXPECT_THROW(contact_sheet({{torch::zeros({1, 2, 2})}}), Error);
  EXPECT_THROW(contact_sheet({{plain(0, 2, 2)}}, {.gap = -1}), UsageError);
}

}  // namespace
}  // namespace fmboost
