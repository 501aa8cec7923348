#include "image_statistics.h"

#include <algorithm>
#include <cmath>

namespace fmboost::drawing::test {
namespace {

Plane halved(const Plane& plane) {
  Plane half(plane.width / 2, plane.height / 2);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      half.at(x, y) = 0.25F * (plane.at(2 * x, 2 * y) + plane.at(2 * x + 1, 2 * y) + plane.at(2 * x, 2 * y + 1) +
                               plane.at(2 * x + 1, 2 * y + 1));
    }
  }
  return half;
}

double lost(const Plane& plane, const Plane& half) {
  double sum = 0;
  for (int y = 0; y < 2 * half.height; ++y) {
    for (int x = 0; x < 2 * half.width; ++x) {
      const double d = plane.at(x, y) - half.at(x / 2, y / 2);
      sum += d * d;
    }
  }
  return sum / (4.0 * half.width * half.height);
}

double deviation(const Plane& plane, int x0, int y0, int width, int height, double* mean = nullptr) {
  double sum = 0;
  double squares = 0;
  for (int y = y0; y < y0 + height; ++y) {
    for (int x = x0; x < x0 + width; ++x) {
      sum += plane.at(x, y);
      squares += static_cast<double>(plane.at(x, y)) * plane.at(x, y);
    }
  }
  const double n = static_cast<double>(width) * height;
  if (mean != nullptr) {
    *mean = sum / n;
  }
  return std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

double kurtosis_of_differences(const Plane& plane) {
  double second = 0;
  double fourth = 0;
  for (int y = 0; y < plane.height; ++y) {
    for (int x = 1; x < plane.width; ++x) {
      const double d = plane.at(x, y) - plane.at(x - 1, y);
      second += d * d;
      fourth += d * d * d * d;
    }
  }
  return fourth * plane.height * (plane.width - 1) / (second * second + 1e-9);
}

// Of one block; 2 if the block has too little structure.
double coherence(const Plane& plane, int x0, int y0) {
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (int y = y0; y < y0 + 7; ++y) {
    for (int x = x0; x < x0 + 7; ++x) {
      const double gx = plane.at(x + 1, y) - plane.at(x, y);
      const double gy = plane.at(x, y + 1) - plane.at(x, y);
      xx += gx * gx;
      yy += gy * gy;
      xy += gx * gy;
    }
  }
  return (xx + yy) / 49 < 50 ? 2 : std::sqrt((xx - yy) * (xx - yy) + 4 * xy * xy) / (xx + yy);
}

void measure_blocks(const Plane& plane, ImageStatistics& result) {
  int blocks = 0;
  int told = 0;
  for (int y = 0; y + 8 <= plane.height; y += 8) {
    for (int x = 0; x + 8 <= plane.width; x += 8, ++blocks) {
      const double d = deviation(plane, x, y, 8, 8);
      result.flat += d < 2 ? 1 : 0;
      result.busy += d > 20 ? 1 : 0;
      const double c = coherence(plane, x, y);
      result.coherence += c <= 1.0001 ? c : 0;
      told += c <= 1.0001 ? 1 : 0;
    }
  }
  result.flat /= blocks;
  result.busy /= blocks;
  result.coherence /= std::max(1, told);
}

double saturation_of(const Image& image) {
  double sum = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    const auto [low, high] = std::minmax({image.rgb[i], image.rgb[i + 1], image.rgb[i + 2]});
    sum += static_cast<double>(high - low) / std::max<int>(high, 1);
  }
  return sum * 3 / static_cast<double>(image.rgb.size());
}

}  // namespace

Plane luma_of(const Image& image) {
  Plane plane(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* p = image.pixel(x, y);
      plane.at(x, y) = 0.299F * p[0] + 0.587F * p[1] + 0.114F * p[2];
    }
  }
  return plane;
}

ImageStatistics measure(const Image& image) {
  ImageStatistics result;
  Plane plane = luma_of(image);
  result.deviation = deviation(plane, 0, 0, plane.width, plane.height, &result.mean);
  result.kurtosis = kurtosis_of_differences(plane);
  result.saturation = saturation_of(image);
  measure_blocks(plane, result);
  for (int i = 0; i < 5; ++i) {
    Plane half = halved(plane);
    result.octaves.push_back(lost(plane, half));
    plane = std::move(half);
  }
  return result;
}

}  // namespace fmboost::drawing::test
