#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "drawing/noise_field.h"
#include "drawing/pattern.h"
#include "drawing/profile.h"

namespace fmboost::drawing {
namespace {

constexpr int n = kPatternSide;

// Rotated coordinates, sometimes bent.
struct Frame {
  float cosine = 1;
  float sine = 0;
  float bend_u = 0;
  float bend_v = 0;
  Plane flow;

  Frame(Random& random, double straight, double bent) {
    if (!random.chance(straight)) {
      const double angle = random.uniform(0, std::numbers::pi);
      cosine = static_cast<float>(std::cos(angle));
      sine = static_cast<float>(std::sin(angle));
    }
    if (random.chance(bent)) {
      flow = noise_field(random.chance(0.7) ? Noise::smooth : Noise::clouds).sample(random, n, n);
      bend_u = static_cast<float>(random.log_uniform(4, 120));
      bend_v = random.chance(0.5) ? 0 : static_cast<float>(random.uniform(-60, 60));
    }
  }

  // Calls function(u, v) for every pixel.
  template <typename Function>
  Plane map(Function function) const {
    Plane plane(n, n);
    for (int y = 0; y < n; ++y) {
      const float* bent = flow.values.empty() ? nullptr : flow.row(y);
      for (int x = 0; x < n; ++x) {
        const float push = bent == nullptr ? 0 : bent[x];
        const auto fx = static_cast<float>(x);
        const auto fy = static_cast<float>(y);
        plane.row(y)[x] = function(cosine * fx + sine * fy + bend_u * push, cosine * fy - sine * fx + bend_v * push);
      }
    }
    return plane;
  }
};

// A hash in 0 .. 1.
float hash(int i, int j) {
  std::uint32_t h = static_cast<std::uint32_t>(i) * 0x8da6b343U ^ static_cast<std::uint32_t>(j) * 0xd8163841U;
  h = (h ^ (h >> 15)) * 0x2c1b3c6dU;
  h ^= h >> 12;
  return static_cast<float>(h & 0xffffU) / 65535;
}

int floor_to_int(float x) {
  return static_cast<int>(x + 4096) - 4096;
}

}  // namespace

Plane stripe_pattern(Random& random) {
  const Frame frame(random, 0.25, 0.6);
  const Profile profile(random, random.log_uniform(3, 80));
  return frame.map([&](float u, float) { return profile(u); });
}

Plane cloth_pattern(Random& random) {
  const Frame frame(random, 0.3, 0.4);
  const double period = random.log_uniform(4, 70);
  const Profile warp(random, period);
  const Profile weft(random, random.chance(0.6) ? period : period * random.uniform(0.5, 2));
  const int kind = random.below(4);
  if (kind == 0) {
    return frame.map([&](float u, float v) { return warp(u) * weft(v); });
  }
  if (kind == 1) {
    return frame.map([&](float u, float v) { return 0.5F * (warp(u) + weft(v)); });
  }
  if (kind == 2) {
    return frame.map([&](float u, float v) { return std::abs(warp(u) - weft(v)); });
  }
  const auto cell = static_cast<float>(period);  // threads pass over and under each other
  return frame.map([&](float u, float v) {
    const bool over = ((floor_to_int(u / cell) + floor_to_int(v / cell)) & 1) != 0;
    return over ? warp(u) : weft(v);
  });
}

Plane brick_pattern(Random& random) {
  const Frame frame(random, 0.6, 0.15);
  const auto height = static_cast<float>(random.log_uniform(6, 60));
  const auto width = height * static_cast<float>(random.uniform(0.6, 3));
  const float shift = random.chance(0.5) ? 0.5F : 0;  // windows are aligned vertically
  const auto joint =
      static_cast<float>(random.chance(0.6) ? random.uniform(0.7, 2.5) : random.uniform(2, 0.3 * height));
  const auto variety = static_cast<float>(random.uniform(0, 0.7));
  const float base = random.chance(0.8) ? 1 : 0.4F;
  return frame.map([&](float u, float v) {
    const int row = floor_to_int(v / height);
    const float along = u / width + shift * static_cast<float>(row & 1);
    const int column = floor_to_int(along);
    const float in_u = (along - static_cast<float>(column)) * width;
    const float in_v = v - static_cast<float>(row) * height;
    const float margin = std::min(std::min(in_u, width - in_u), std::min(in_v, height - in_v));
    return std::clamp(margin - joint, 0.0F, 1.0F) * (base - variety * (hash(row, column) - (1 - base)));
  });
}

Plane dot_pattern(Random& random) {
  const Frame frame(random, 0.3, 0.3);
  const auto period = static_cast<float>(random.log_uniform(4, 60));
  const auto radius = static_cast<float>(random.uniform(0.15, 0.48));
  const auto variety = static_cast<float>(random.chance(0.5) ? random.uniform(0, 0.6) : 0);
  const float shift = random.chance(0.5) ? 0.5F : 0;
  return frame.map([&](float u, float v) {
    const int row = floor_to_int(v / period);
    const float along = u / period + shift * static_cast<float>(row & 1);
    const int column = floor_to_int(along);
    const float du = along - static_cast<float>(column) - 0.5F;
    const float dv = v / period - static_cast<float>(row) - 0.5F;
    const float reach = radius * (1 - variety * hash(row, column));
    return std::clamp((reach - std::sqrt(du * du + dv * dv)) * period + 0.5F, 0.0F, 1.0F);
  });
}

Plane ring_pattern(Random& random) {
  const Frame frame(random, 1, 0.5);
  const Profile profile(random, random.log_uniform(4, 70));
  const auto x = static_cast<float>(random.uniform(-0.5 * n, 1.5 * n));
  const auto y = static_cast<float>(random.uniform(-0.5 * n, 1.5 * n));
  const auto squeeze = static_cast<float>(random.uniform(0.3, 1));
  return frame.map([&](float u, float v) {
    const float dv = (v - y) * squeeze;
    return profile(std::sqrt((u - x) * (u - x) + dv * dv));
  });
}

}  // namespace fmboost::drawing
