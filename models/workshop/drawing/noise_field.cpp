#include "drawing/noise_field.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fmboost::drawing {
namespace {

constexpr int kMask = NoiseField::kSide - 1;

// Catmull-Rom weights between the second and the third of four points.
std::array<float, 4> spline(float t) {
  const float t2 = t * t;
  const float t3 = t2 * t;
  return {-0.5F * t + t2 - 0.5F * t3, 1 - 2.5F * t2 + 1.5F * t3, 0.5F * t + 2 * t2 - 1.5F * t3, 0.5F * (t3 - t2)};
}

// Stretches a periodic row of `cells` numbers to kSide.
void stretch(const float* cells, int count, float* out) {
  const int step = NoiseField::kSide / count;
  for (int i = 0; i < count; ++i) {
    const float p[4] = {cells[(i + count - 1) % count], cells[i], cells[(i + 1) % count], cells[(i + 2) % count]};
    for (int j = 0; j < step; ++j) {
      const auto w = spline(static_cast<float>(j) / static_cast<float>(step));
      out[i * step + j] = w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + w[3] * p[3];
    }
  }
}

void add_octave(std::vector<float>& field, Random& random, int columns, int rows, float amplitude) {
  constexpr int n = NoiseField::kSide;
  std::vector<float> wide(static_cast<std::size_t>(rows) * n);
  std::vector<float> cells(static_cast<std::size_t>(columns));
  for (int y = 0; y < rows; ++y) {
    std::generate(cells.begin(), cells.end(), [&] { return static_cast<float>(random.normal()); });
    stretch(cells.data(), columns, wide.data() + static_cast<std::size_t>(y) * n);
  }
  const int step = n / rows;
  const auto line = [&](int y) { return wide.data() + static_cast<std::size_t>((y + rows) % rows) * n; };
  for (int y = 0; y < n; ++y) {
    const auto w = spline(static_cast<float>(y % step) / static_cast<float>(step));
    const int i = y / step;
    const float* p[4] = {line(i - 1), line(i), line(i + 1), line(i + 2)};
    float* out = field.data() + static_cast<std::size_t>(y) * n;
    for (int x = 0; x < n; ++x) {
      out[x] += amplitude * (w[0] * p[0][x] + w[1] * p[1][x] + w[2] * p[2][x] + w[3] * p[3][x]);
    }
  }
}

void normalize(std::vector<float>& field) {
  double sum = 0;
  double squares = 0;
  for (const float v : field) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const double mean = sum / static_cast<double>(field.size());
  const double deviation = std::sqrt(squares / static_cast<double>(field.size()) - mean * mean);
  for (auto& v : field) {
    v = std::clamp(static_cast<float>(0.5 + 0.22 * (v - mean) / deviation), 0.0F, 1.0F);
  }
}

int floor_to_int(double x) {
  const int cut = static_cast<int>(x);
  return cut - (x < cut ? 1 : 0);
}

}  // namespace

NoiseField::NoiseField(std::uint64_t seed, double exponent, int stretch_x, int stretch_y)
    : values_(std::size_t{kSide} * kSide, 0.0F) {
  Random random(seed);
  for (int cells = 2; cells <= kSide; cells *= 2) {
    // An octave around f has an area ~ f^2 of frequencies, so the deviation f^(1 - exponent).
    const double amplitude = std::pow(cells, 1 - exponent);
    add_octave(values_, random, std::max(1, cells / stretch_x), std::max(1, cells / stretch_y),
               static_cast<float>(amplitude));
  }
  normalize(values_);
}

float NoiseField::at(double x, double y) const {
  const int ix = floor_to_int(x);
  const int iy = floor_to_int(y);
  const auto fx = static_cast<float>(x - ix);
  const auto fy = static_cast<float>(y - iy);
  const float top = texel(ix, iy) * (1 - fx) + texel(ix + 1, iy) * fx;
  const float bottom = texel(ix, iy + 1) * (1 - fx) + texel(ix + 1, iy + 1) * fx;
  return top * (1 - fy) + bottom * fy;
}

Plane NoiseField::sample(Random& random, int width, int height, double zoom) const {
  const int x0 = random.below(kSide);
  const int y0 = random.below(kSide);
  const int step_x = random.chance(0.5) ? -1 : 1;
  const int step_y = random.chance(0.5) ? -1 : 1;
  Plane plane(width, height);
  for (int y = 0; y < height; ++y) {
    float* out = plane.row(y);
    if (zoom == 1) {
      const float* in = values_.data() + static_cast<std::size_t>((y0 + step_y * y) & kMask) * kSide;
      for (int x = 0; x < width; ++x) {
        out[x] = in[(x0 + step_x * x) & kMask];
      }
    } else {
      for (int x = 0; x < width; ++x) {
        out[x] = at(x0 + step_x * x / zoom, y0 + step_y * y / zoom);
      }
    }
  }
  return plane;
}

const NoiseField& noise_field(Noise kind) {
  static const std::array<NoiseField, kNoiseKinds> pool = {
      NoiseField(1, 0.5, 1, 1), NoiseField(2, 1.0, 1, 1), NoiseField(3, 1.4, 1, 1), NoiseField(4, 1.8, 1, 1),
      NoiseField(5, 2.2, 1, 1), NoiseField(6, 2.6, 1, 1), NoiseField(7, 1.0, 8, 1), NoiseField(8, 1.0, 1, 8)};
  return pool[static_cast<std::size_t>(kind)];
}

}  // namespace fmboost::drawing
