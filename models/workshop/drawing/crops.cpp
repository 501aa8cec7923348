#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "drawing/leaves.h"

namespace fmboost::drawing {
namespace {

struct Place {
  int x = 0;
  int y = 0;
};

Place random_place(const Image& image, Random& random, int size) {
  const int x = random.integer(0, image.width - size);
  return {x, random.integer(0, image.height - size)};
}

// The sum of |green - the next pixel's green| along every fourth row.
std::int64_t detail(const Image& image, Place place, int size) {
  std::int64_t sum = 0;
  for (int y = 0; y < size; y += 4) {
    const std::uint8_t* green = image.pixel(place.x, place.y + y) + 1;
    for (int x = 0; x + 1 < size; ++x, green += 3) {
      sum += std::abs(green[0] - green[3]);
    }
  }
  return sum;
}

Image cut(const Image& image, Place place, int size) {
  Image result(size, size);
  for (int row = 0; row < size; ++row) {
    std::copy_n(image.pixel(place.x, place.y + row), 3 * size, result.pixel(0, row));
  }
  return result;
}

// One of the eight symmetries of the square and of the six channel orders.
Image shuffled(const Image& image, Random& random) {
  const int size = image.width;
  const bool mirrored = random.chance(0.5);
  const bool flipped = random.chance(0.5);
  const bool transposed = random.chance(0.5);
  std::array<int, 3> order = {0, 1, 2};
  std::swap(order[0], order[static_cast<std::size_t>(random.below(3))]);
  std::swap(order[1], order[static_cast<std::size_t>(random.integer(1, 2))]);
  const std::ptrdiff_t step = (transposed ? 3 * size : 3) * (mirrored ? -1 : 1);
  Image result(size, size);
  std::uint8_t* out = result.rgb.data();
  for (int y = 0; y < size; ++y) {
    const int v = flipped ? size - 1 - y : y;
    const int u = mirrored ? size - 1 : 0;
    const std::uint8_t* in = transposed ? image.pixel(v, u) : image.pixel(u, v);
    for (int x = 0; x < size; ++x) {
      out[0] = in[order[0]];
      out[1] = in[order[1]];
      out[2] = in[order[2]];
      out += 3;
      in += step;
    }
  }
  return result;
}

}  // namespace

std::vector<Image> random_crops(const Image& image, Random& random, int size, int count) {
  const int shorter = std::min(image.width, image.height);
  std::vector<Image> crops;
  for (int i = 0; i < count; ++i) {
    const int factor = random.chance(0.5) && 2 * size <= shorter ? 2 : 1;
    Place place = random_place(image, random, factor * size);
    const Place other = random_place(image, random, factor * size);
    if (random.chance(0.7) && detail(image, other, factor * size) > detail(image, place, factor * size)) {
      place = other;
    }
    const Image part = cut(image, place, factor * size);
    crops.push_back(shuffled(factor == 1 ? part : reduced(part, factor), random));
  }
  return crops;
}

std::vector<Image> draw_leaf_crops(std::uint64_t seed, int canvas, int size, int count) {
  Random random(seed, "crops");
  return random_crops(draw_leaves(seed, canvas), random, size, count);
}

}  // namespace fmboost::drawing
