#include <algorithm>
#include <array>
#include <utility>

#include "fmboost/drawing/leaves.h"

namespace fmboost::drawing {
namespace {

Picture cut(const Picture& picture, int x, int y, int size) {
  Picture result(size, size);
  for (int row = 0; row < size; ++row) {
    std::copy_n(picture.pixel(x, y + row), 3 * size, result.pixel(0, row));
  }
  return result;
}

// One of the square's eight symmetries and of the colours' six orders.
Picture shuffled(const Picture& picture, Random& random) {
  const int size = picture.width;
  const bool mirrored = random.chance(0.5);
  const bool flipped = random.chance(0.5);
  const bool transposed = random.chance(0.5);
  std::array<int, 3> order = {0, 1, 2};
  std::swap(order[0], order[static_cast<std::size_t>(random.below(3))]);
  std::swap(order[1], order[static_cast<std::size_t>(random.integer(1, 2))]);
  Picture result(size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int u = mirrored ? size - 1 - x : x;
      const int v = flipped ? size - 1 - y : y;
      const std::uint8_t* in = transposed ? picture.pixel(v, u) : picture.pixel(u, v);
      std::uint8_t* out = result.pixel(x, y);
      for (int c = 0; c < 3; ++c) {
        out[c] = in[order[static_cast<std::size_t>(c)]];
      }
    }
  }
  return result;
}

}  // namespace

std::vector<Picture> random_crops(const Picture& picture, Random& random, int size, int count) {
  const int shorter = std::min(picture.width, picture.height);
  std::vector<Picture> crops;
  for (int i = 0; i < count; ++i) {
    const int factor = random.chance(0.5) && 2 * size <= shorter ? 2 : 1;
    const int x = random.integer(0, picture.width - factor * size);
    const int y = random.integer(0, picture.height - factor * size);
    const Picture part = cut(picture, x, y, factor * size);
    crops.push_back(shuffled(factor == 1 ? part : reduced(part, factor), random));
  }
  return crops;
}

std::vector<Picture> draw_leaf_crops(std::uint64_t seed, int canvas, int size, int count) {
  Random random(seed, "crops");
  return random_crops(draw_leaves(seed, canvas), random, size, count);
}

}  // namespace fmboost::drawing
