#include "pipeline/tiles.h"

#include <gtest/gtest.h>

#include "support/compare.h"

namespace fmboost {
namespace {

using test::is_close;
using torch::indexing::Slice;

struct Layout {
  std::int64_t height, width, tile, overlap, multiple;
};

torch::Tensor cut(const torch::Tensor& x, const Window& w) {
  return x.index({Slice(), Slice(), Slice(w.top, w.top + w.height), Slice(w.left, w.left + w.width)});
}

class Windows : public testing::TestWithParam<Layout> {
 protected:
  std::vector<Window> plan() const {
    const Layout& l = GetParam();
    return plan_windows(l.height, l.width, l.tile, l.overlap, l.multiple);
  }
};

TEST_P(Windows, CoverEverySiteWithinTheirBounds) {
  const Layout& l = GetParam();
  torch::Tensor covered = torch::zeros({1, 1, l.height, l.width});
  for (const Window& window : plan()) {
    for (const auto edge : {window.top, window.left, window.height, window.width}) {
      EXPECT_EQ(edge % l.multiple, 0);
    }
    EXPECT_GE(window.top, 0);
    EXPECT_GE(window.left, 0);
    EXPECT_LE(window.top + window.height, l.height);
    EXPECT_LE(window.left + window.width, l.width);
    EXPECT_EQ(window.height, std::min(l.tile, l.height));
    EXPECT_EQ(window.width, std::min(l.tile, l.width));
    cut(covered, window).add_(1);
  }
  EXPECT_GE(covered.min().item<float>(), 1);
}

TEST_P(Windows, ShareTheOverlapWithTheirNeighbors) {
  const Layout& l = GetParam();
  const auto windows = plan();
  for (std::size_t i = 1; i < windows.size(); ++i) {
    const Window& before = windows[i - 1];
    const Window& window = windows[i];
    if (window.top == before.top) {
      EXPECT_GE(before.left + before.width - window.left, l.overlap);
    } else {
      EXPECT_GE(before.top + before.height - window.top, l.overlap);
      EXPECT_EQ(window.left, 0);
    }
  }
}

TEST_P(Windows, PutAImageTogetherAgain) {
  const Layout& l = GetParam();
  torch::Tensor image = torch::arange(2 * l.height * l.width, torch::kFloat32).sin();
  image = image.reshape({1, 2, l.height, l.width});
  WindowBlender blender(2, l.height, l.width, l.overlap);
  for (const Window& window : plan()) {
    blender.add(window, cut(image, window));
  }
  const torch::Tensor result = blender.result();
  EXPECT_TRUE(is_close(result, image, 1e-5));
  if (plan().size() == 1) {
    EXPECT_TRUE(torch::equal(result, image));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, Windows,
                         testing::Values(Layout{16, 16, 16, 4, 1}, Layout{16, 24, 32, 8, 8}, Layout{64, 64, 32, 8, 8},
                                         Layout{8, 120, 32, 16, 8}, Layout{120, 8, 32, 16, 8}, Layout{33, 47, 10, 3, 1},
                                         Layout{33, 47, 10, 9, 1}, Layout{33, 47, 10, 0, 1}, Layout{36, 44, 8, 3, 4},
                                         Layout{72, 72, 64, 32, 8}, Layout{8, 8, 8, 0, 8}, Layout{40, 24, 8, 0, 8},
                                         Layout{1, 1, 1, 0, 1}));

TEST(WindowBlender, FadesFromOneWindowToTheNext) {
  WindowBlender blender(1, 1, 10, 4);
  blender.add({0, 0, 1, 7}, torch::zeros({1, 1, 1, 7}));
  blender.add({0, 3, 1, 7}, torch::ones({1, 1, 1, 7}));
  const torch::Tensor expected = torch::tensor({0.F, 0.F, 0.F, 0.2F, 0.4F, 0.6F, 0.8F, 1.F, 1.F, 1.F});
  EXPECT_TRUE(is_close(blender.result().flatten(), expected, 1e-6));
}

TEST(WindowBlender, CutsSharplyWithoutARamp) {
  WindowBlender blender(1, 1, 4, 0);
  blender.add({0, 0, 1, 2}, torch::zeros({1, 1, 1, 2}));
  blender.add({0, 2, 1, 2}, torch::ones({1, 1, 1, 2}));
  EXPECT_TRUE(torch::equal(blender.result().flatten(), torch::tensor({0.F, 0.F, 1.F, 1.F})));
}

TEST(WindowBlender, GivesFloat32) {
  WindowBlender blender(1, 2, 2, 1);
  blender.add({0, 0, 2, 2}, torch::ones({1, 1, 2, 2}, torch::kBFloat16));
  EXPECT_EQ(blender.result().scalar_type(), torch::kFloat32);
}

}  // namespace
}  // namespace fmboost
