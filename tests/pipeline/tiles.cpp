#include "pipeline/tiles.h"

#include <gtest/gtest.h>

#include "support/compare.h"

namespace fmboost {
namespace {

using test::is_close;
using torch::indexing::Slice;

struct Layout {
  std::int64_t height, width, side, overlap, multiple;
};

torch::Tensor cut(const torch::Tensor& x, const Tile& tile) {
  return x.index({Slice(), Slice(), Slice(tile.top, tile.top + tile.height), Slice(tile.left, tile.left + tile.width)});
}

class TileGrid : public testing::TestWithParam<Layout> {
 protected:
  std::vector<Tile> plan() const {
    const Layout& l = GetParam();
    return tile_grid(l.height, l.width, l.side, l.overlap, l.multiple);
  }
};

TEST_P(TileGrid, CoversEveryPixelWithinTheBounds) {
  const Layout& l = GetParam();
  torch::Tensor covered = torch::zeros({1, 1, l.height, l.width});
  for (const Tile& tile : plan()) {
    for (const auto edge : {tile.top, tile.left, tile.height, tile.width}) {
      EXPECT_EQ(edge % l.multiple, 0);
    }
    EXPECT_GE(tile.top, 0);
    EXPECT_GE(tile.left, 0);
    EXPECT_LE(tile.top + tile.height, l.height);
    EXPECT_LE(tile.left + tile.width, l.width);
    EXPECT_EQ(tile.height, std::min(l.side, l.height));
    EXPECT_EQ(tile.width, std::min(l.side, l.width));
    cut(covered, tile).add_(1);
  }
  EXPECT_GE(covered.min().item<float>(), 1);
}

TEST_P(TileGrid, NeighborsShareTheOverlap) {
  const Layout& l = GetParam();
  const auto tiles = plan();
  for (std::size_t i = 1; i < tiles.size(); ++i) {
    const Tile& before = tiles[i - 1];
    const Tile& tile = tiles[i];
    if (tile.top == before.top) {
      EXPECT_GE(before.left + before.width - tile.left, l.overlap);
    } else {
      EXPECT_GE(before.top + before.height - tile.top, l.overlap);
      EXPECT_EQ(tile.left, 0);
    }
  }
}

TEST_P(TileGrid, BlendedTilesRestoreTheImage) {
  const Layout& l = GetParam();
  torch::Tensor image = torch::arange(2 * l.height * l.width, torch::kFloat32).sin();
  image = image.reshape({1, 2, l.height, l.width});
  TileBlender blender(2, l.height, l.width, l.overlap);
  for (const Tile& tile : plan()) {
    blender.add(tile, cut(image, tile));
  }
  const torch::Tensor result = blender.result();
  EXPECT_TRUE(is_close(result, image, 1e-5));
  if (plan().size() == 1) {
    EXPECT_TRUE(torch::equal(result, image));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, TileGrid,
                         testing::Values(Layout{16, 16, 16, 4, 1}, Layout{16, 24, 32, 8, 8}, Layout{64, 64, 32, 8, 8},
                                         Layout{8, 120, 32, 16, 8}, Layout{120, 8, 32, 16, 8}, Layout{33, 47, 10, 3, 1},
                                         Layout{33, 47, 10, 9, 1}, Layout{33, 47, 10, 0, 1}, Layout{36, 44, 8, 3, 4},
                                         Layout{72, 72, 64, 32, 8}, Layout{8, 8, 8, 0, 8}, Layout{40, 24, 8, 0, 8},
                                         Layout{1, 1, 1, 0, 1}));

TEST(TileBlender, FadesFromOneTileToTheNext) {
  TileBlender blender(1, 1, 10, 4);
  blender.add({0, 0, 1, 7}, torch::zeros({1, 1, 1, 7}));
  blender.add({0, 3, 1, 7}, torch::ones({1, 1, 1, 7}));
  const torch::Tensor expected = torch::tensor({0.F, 0.F, 0.F, 0.2F, 0.4F, 0.6F, 0.8F, 1.F, 1.F, 1.F});
  EXPECT_TRUE(is_close(blender.result().flatten(), expected, 1e-6));
}

TEST(TileBlender, ChangesSharplyWithoutARamp) {
  TileBlender blender(1, 1, 4, 0);
  blender.add({0, 0, 1, 2}, torch::zeros({1, 1, 1, 2}));
  blender.add({0, 2, 1, 2}, torch::ones({1, 1, 1, 2}));
  EXPECT_TRUE(torch::equal(blender.result().flatten(), torch::tensor({0.F, 0.F, 1.F, 1.F})));
}

TEST(TileBlender, ReturnsFloat32) {
  TileBlender blender(1, 2, 2, 1);
  blender.add({0, 0, 2, 2}, torch::ones({1, 1, 2, 2}, torch::kBFloat16));
  EXPECT_EQ(blender.result().scalar_type(), torch::kFloat32);
}

}  // namespace
}  // namespace fmboost
