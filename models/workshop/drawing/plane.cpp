#include "drawing/plane.h"

#include <algorithm>
#include <cmath>

namespace fmboost::drawing {
namespace {

void blur_row(const float* in, float* out, int length, int radius) {
  const float share = 1.0F / static_cast<float>(2 * radius + 1);
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    sum += in[std::clamp(i, 0, length - 1)];
  }
  for (int i = 0; i < length; ++i) {
    out[i] = static_cast<float>(sum) * share;
    sum += in[std::min(i + radius + 1, length - 1)] - in[std::max(i - radius, 0)];
  }
}

void blur_rows(Plane& plane, int radius) {
  std::vector<float> line(static_cast<std::size_t>(plane.width));
  for (int y = 0; y < plane.height; ++y) {
    blur_row(plane.row(y), line.data(), plane.width, radius);
    std::copy(line.begin(), line.end(), plane.row(y));
  }
}

// Whole rows at a time: better cache locality than columns.
void blur_columns(Plane& plane, int radius) {
  const Plane source = plane;
  const int last = plane.height - 1;
  const float share = 1.0F / static_cast<float>(2 * radius + 1);
  std::vector<float> sum(static_cast<std::size_t>(plane.width), 0.0F);
  for (int i = -radius; i <= radius; ++i) {
    const float* in = source.row(std::clamp(i, 0, last));
    for (int x = 0; x < plane.width; ++x) {
      sum[x] += in[x];
    }
  }
  for (int y = 0; y <= last; ++y) {
    const float* enters = source.row(std::min(y + radius + 1, last));
    const float* leaves = source.row(std::max(y - radius, 0));
    float* out = plane.row(y);
    for (int x = 0; x < plane.width; ++x) {
      out[x] = sum[x] * share;
      sum[x] += enters[x] - leaves[x];
    }
  }
}

std::vector<float> gaussian_taps(double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3 * sigma)));
  std::vector<float> taps;
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    taps.push_back(static_cast<float>(std::exp(-0.5 * i * i / (sigma * sigma))));
    sum += taps.back();
  }
  for (auto& tap : taps) {
    tap = static_cast<float>(tap / sum);
  }
  return taps;
}

void convolve_rows(Plane& plane, const std::vector<float>& taps) {
  const int radius = static_cast<int>(taps.size() / 2);
  std::vector<float> line(static_cast<std::size_t>(plane.width + 2 * radius));
  for (int y = 0; y < plane.height; ++y) {
    float* row = plane.row(y);
    std::fill_n(line.begin(), radius, row[0]);
    std::copy_n(row, plane.width, line.begin() + radius);
    std::fill_n(line.end() - radius, radius, row[plane.width - 1]);
    std::fill_n(row, plane.width, 0.0F);
    for (std::size_t i = 0; i < taps.size(); ++i) {
      for (int x = 0; x < plane.width; ++x) {
        row[x] += taps[i] * line[x + i];
      }
    }
  }
}

void convolve_columns(Plane& plane, const std::vector<float>& taps) {
  const Plane source = plane;
  const int radius = static_cast<int>(taps.size() / 2);
  std::fill(plane.values.begin(), plane.values.end(), 0.0F);
  for (int y = 0; y < plane.height; ++y) {
    float* out = plane.row(y);
    for (int i = -radius; i <= radius; ++i) {
      const float* in = source.row(std::clamp(y + i, 0, plane.height - 1));
      const float tap = taps[static_cast<std::size_t>(i + radius)];
      for (int x = 0; x < plane.width; ++x) {
        out[x] += tap * in[x];
      }
    }
  }
}

}  // namespace

void box_blur(Plane& plane, int radius) {
  if (radius > 0 && !plane.values.empty()) {
    blur_rows(plane, radius);
    blur_columns(plane, radius);
  }
}

void gaussian_blur(Plane& plane, double sigma) {
  if (sigma <= 0 || plane.values.empty()) {
    return;
  }
  if (sigma <= 2) {
    const auto taps = gaussian_taps(sigma);
    convolve_rows(plane, taps);
    convolve_columns(plane, taps);
    return;
  }
  // Three boxes of width w have the variance (w^2 - 1) / 4; some boxes two pixels wider make up the rest.
  const double ideal = std::sqrt(4 * sigma * sigma + 1);
  const int low = (static_cast<int>(ideal) - 1) / 2;
  const double width = 2 * low + 1;
  const int narrow =
      static_cast<int>(std::lround((12 * sigma * sigma - 3 * width * width - 12 * width - 9) / (-4 * width - 4)));
  for (int i = 0; i < 3; ++i) {
    box_blur(plane, i < narrow ? low : low + 1);
  }
}

}  // namespace fmboost::drawing
