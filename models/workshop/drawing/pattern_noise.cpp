#include <algorithm>
#include <cmath>

#include "drawing/noise_field.h"
#include "drawing/pattern.h"
#include "drawing/profile.h"

namespace fmboost::drawing {
namespace {

constexpr int n = kPatternSide;

template <typename Function>
void map(Plane& plane, Function function) {
  for (auto& v : plane.values) {
    v = function(v);
  }
}

Noise isotropic(Random& random) {
  static constexpr Noise kinds[] = {Noise::grain,  Noise::rough,  Noise::rough, Noise::medium,
                                    Noise::medium, Noise::medium, Noise::soft,  Noise::clouds};
  return random.choice(kinds);
}

// Bright where the surface faces the light.
Plane relief(Random& random) {
  const Noise kinds[] = {Noise::medium, Noise::soft, Noise::clouds};
  const int kind = random.below(3);
  const Plane ground = noise_field(kinds[kind]).sample(random, n, n);
  const int dx = random.integer(-2, 2);
  const int dy = random.integer(1, 2);
  const auto height = static_cast<float>(random.uniform(1, 3) * (kind == 0 ? 1 : kind == 1 ? 2.5 : 6));
  Plane plane(n, n);
  for (int y = 0; y < n; ++y) {
    const float* here = ground.row(y);
    const float* there = ground.row((y + dy) & (n - 1));
    for (int x = 0; x < n; ++x) {
      plane.row(y)[x] = std::clamp(0.5F + height * (there[(x + dx) & (n - 1)] - here[x]), 0.0F, 1.0F);
    }
  }
  return plane;
}

}  // namespace

Plane noise_pattern(Random& random) {
  const int kind = random.below(6);
  if (kind == 0) {
    return relief(random);
  }
  Plane plane = noise_field(isotropic(random)).sample(random, n, n, random.chance(0.3) ? random.uniform(1, 3) : 1);
  const auto contrast = static_cast<float>(random.log_uniform(0.6, 4));
  if (kind == 1) {
    map(plane, [&](float v) { return std::min(1.0F, contrast * std::abs(2 * v - 1)); });
  } else if (kind == 2) {
    const Profile bands(random, 100 / random.uniform(2, 9));
    map(plane, [&](float v) { return bands(100 * v); });
  } else {
    const float steep = kind == 3 ? contrast * 4 : contrast;
    const auto middle = static_cast<float>(random.uniform(0.35, 0.65));
    map(plane, [&](float v) { return std::clamp((v - middle) * steep + 0.5F, 0.0F, 1.0F); });
  }
  return plane;
}

Plane hair_pattern(Random& random) {
  const NoiseField& strands = noise_field(random.chance(0.5) ? Noise::rows : Noise::columns);
  const NoiseField& flow = noise_field(random.chance(0.5) ? Noise::smooth : Noise::clouds);
  const double bend = random.log_uniform(10, 250);
  const double zoom = random.uniform(0.8, 2.5);
  const double turn = random.uniform(-0.6, 0.6);
  const auto contrast = static_cast<float>(random.uniform(1, 3));
  const bool ridged = random.chance(0.4);
  const int x0 = random.below(n);
  const int y0 = random.below(n);
  Plane plane(n, n);
  for (int y = 0; y < n; ++y) {
    for (int x = 0; x < n; ++x) {
      const double push = bend * flow.texel(x + x0, y + y0);
      const double u = x + turn * y + push;
      const double w = y - turn * x + push;
      const float v =
          0.5F + 0.6F * (strands.at(u / zoom, w / zoom) - 0.5F) + 0.6F * (strands.at(u + 99, w + 99) - 0.5F);
      plane.row(y)[x] = std::clamp(ridged ? contrast * std::abs(2 * v - 1) : (v - 0.5F) * contrast + 0.5F, 0.0F, 1.0F);
    }
  }
  return plane;
}

namespace {

struct Cells {
  int count;  // per dimension, a power of two
  std::vector<float> x, y, shade;

  Cells(Random& random, int side, double order) : count(side) {
    for (int i = 0; i < side * side; ++i) {
      x.push_back(static_cast<float>(0.5 + (random.uniform() - 0.5) * order));
      y.push_back(static_cast<float>(0.5 + (random.uniform() - 0.5) * order));
      shade.push_back(static_cast<float>(random.uniform()));
    }
  }
};

struct Nearest {
  float first = 9;
  float second = 9;
  float shade = 0;
};

Nearest nearest_cells(const Cells& cells, float u, float v) {
  const int cu = static_cast<int>(u);
  const int cv = static_cast<int>(v);
  Nearest result;
  for (int j = cv - 1; j <= cv + 1; ++j) {
    for (int i = cu - 1; i <= cu + 1; ++i) {
      const auto at = static_cast<std::size_t>((j & (cells.count - 1)) * cells.count + (i & (cells.count - 1)));
      const float dx = static_cast<float>(i) + cells.x[at] - u;
      const float dy = static_cast<float>(j) + cells.y[at] - v;
      const float d = dx * dx + dy * dy;
      if (d < result.first) {
        result = {d, result.first, cells.shade[at]};
      } else {
        result.second = std::min(result.second, d);
      }
    }
  }
  return {std::sqrt(result.first), std::sqrt(result.second), result.shade};
}

}  // namespace

Plane cell_pattern(Random& random) {
  const Cells cells(random, 8 << random.below(4), random.uniform(0.3, 1));
  const float size = static_cast<float>(n) / static_cast<float>(cells.count);
  const auto gap = static_cast<float>(random.uniform(0, 0.25));
  const auto shade = static_cast<float>(random.uniform(0, 0.8));
  const bool round = random.chance(0.5);
  Plane plane(n, n);
  for (int y = 0; y < n; ++y) {
    for (int x = 0; x < n; ++x) {
      const Nearest near = nearest_cells(cells, static_cast<float>(x) / size, static_cast<float>(y) / size);
      const float body = round ? 1 - near.first : 0.85F;
      const float edge = std::clamp((near.second - near.first - gap) * size * 0.7F + 0.5F, 0.0F, 1.0F);
      plane.row(y)[x] = std::clamp(body * edge * (1 - shade * near.shade), 0.0F, 1.0F);
    }
  }
  return plane;
}

}  // namespace fmboost::drawing
