#include "drawing/filler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "drawing/pattern.h"

namespace fmboost::drawing {
namespace {

constexpr int kMask = kPatternSide - 1;

std::size_t ramp_index(float value) {
  return static_cast<std::size_t>(static_cast<int>(value * 255 + 0.5F));  // NOLINT(bugprone-incorrect-roundings): fast
}

// Without resampling, mirrored and transposed at random.
void copy_pattern(Canvas& tile, Random& random, const Plane& pattern, const Ramp& ramp) {
  const int x0 = random.below(kPatternSide);
  const int y0 = random.below(kPatternSide);
  const int dx = random.chance(0.5) ? -1 : 1;
  const int dy = random.chance(0.5) ? -1 : 1;
  const bool transposed = random.chance(0.3);
  for (int y = 0; y < tile.height(); ++y) {
    std::uint32_t* out = tile.row(y);
    const int v = (y0 + dy * y) & kMask;
    for (int x = 0; x < tile.width(); ++x) {
      const int u = (x0 + dx * x) & kMask;
      out[x] = ramp[ramp_index(transposed ? pattern.at(v, u) : pattern.at(u, v))];
    }
  }
}

float bilinear(const Plane& pattern, float u, float v) {
  const int iu = static_cast<int>(u);
  const int iv = static_cast<int>(v);
  const float fu = u - static_cast<float>(iu);
  const float fv = v - static_cast<float>(iv);
  const float* top = pattern.row(iv & kMask);
  const float* bottom = pattern.row((iv + 1) & kMask);
  const int left = iu & kMask;
  const int right = (iu + 1) & kMask;
  const float a = top[left] + (top[right] - top[left]) * fu;
  const float b = bottom[left] + (bottom[right] - bottom[left]) * fu;
  return a + (b - a) * fv;
}

void turn_pattern(Canvas& tile, Random& random, const Plane& pattern, const Ramp& ramp) {
  const double scale = 1 / random.log_uniform(0.75, 2.2);
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const auto c = static_cast<float>(scale * std::cos(angle));
  const auto s = static_cast<float>(scale * std::sin(angle));
  const float u0 = 8 * kPatternSide + static_cast<float>(random.below(kPatternSide));  // stays above zero
  const float v0 = 8 * kPatternSide + static_cast<float>(random.below(kPatternSide));
  for (int y = 0; y < tile.height(); ++y) {
    std::uint32_t* out = tile.row(y);
    const float u = u0 - s * static_cast<float>(y);
    const float v = v0 + c * static_cast<float>(y);
    for (int x = 0; x < tile.width(); ++x) {
      const auto fx = static_cast<float>(x);
      out[x] = ramp[ramp_index(bilinear(pattern, u + c * fx, v + s * fx))];
    }
  }
}

Paint covered(Random& random, const Box& box, const Plane& pattern, const Ramp& ramp) {
  Canvas tile(std::max(1, box.width), std::max(1, box.height));
  if (random.chance(0.5)) {
    copy_pattern(tile, random, pattern, ramp);
  } else {
    turn_pattern(tile, random, pattern, ramp);
  }
  return Paint::texture(tile, {static_cast<double>(box.x), static_cast<double>(box.y)});
}

}  // namespace

Filler::Filler(Random& random, int patterns)
    : palette_(random), roughness_(random.chance(0.75) ? noise_pattern(random) : hair_pattern(random)) {
  for (int i = 0; i < patterns; ++i) {
    patterns_.push_back(random_pattern(random));
  }
}

Paint Filler::gradient(Random& random, Point center, double radius) const {
  const Color first = palette_.color(random);
  const Color last =
      random.chance(0.6) ? clamped(first * static_cast<float>(random.uniform(0.4, 1.6))) : palette_.color(random);
  const std::array stops = {Stop{0, first}, Stop{random.uniform(0.3, 0.7), mix(first, last, 0.5F)}, Stop{1, last}};
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const double dx = radius * std::cos(angle);
  const double dy = radius * std::sin(angle);
  if (random.chance(0.35)) {
    return Paint::radial({center.x + dx * 0.4, center.y + dy * 0.4}, radius * random.uniform(0.8, 1.6), stops);
  }
  return Paint::linear({center.x - dx, center.y - dy}, {center.x + dx, center.y + dy}, stops);
}

Paint Filler::textured(Random& random, const Box& box) const {
  return covered(random, box, random.choice(patterns_), palette_.ramp(random));
}

Paint Filler::plain(Random& random, const Box& box) const {
  const Plane& pattern = random.chance(0.75) ? roughness_ : random.choice(patterns_);
  return covered(random, box, pattern, palette_.faint_ramp(random));
}

Paint Filler::any(Random& random, const Canvas& canvas, Point center, double radius) const {
  const double kind = random.uniform();
  if (kind < 0.15) {
    return flat(random);
  }
  if (kind < 0.3) {
    return gradient(random, center, radius);
  }
  const Box box = box_around(canvas, center, radius);
  return kind < 0.6 ? plain(random, box) : textured(random, box);
}

Paint Filler::shading(Random& random, Point center, double radius) {
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const double dx = radius * std::cos(angle);
  const double dy = radius * std::sin(angle);
  const double depth = random.uniform(0.2, 0.8);
  const Color black{};
  const Color white{1, 1, 1};
  if (random.chance(0.5)) {
    const std::array stops = {Stop{0, white, depth * random.uniform(0, 0.7)}, Stop{0.4, black, 0},
                              Stop{1, black, depth}};
    return Paint::radial({center.x + dx * 0.4, center.y + dy * 0.4}, radius * 1.4, stops);
  }
  const std::array stops = {Stop{0, white, depth * random.uniform(0, 0.4)}, Stop{0.3, black, 0}, Stop{1, black, depth}};
  return Paint::linear({center.x - dx, center.y - dy}, {center.x + dx, center.y + dy}, stops);
}

Box box_around(const Canvas& canvas, Point center, double radius) {
  const auto within = [](double v, int limit) {
    return static_cast<int>(std::clamp(v, 0.0, static_cast<double>(limit)));
  };
  const int x = within(center.x - radius - 2, canvas.width());
  const int y = within(center.y - radius - 2, canvas.height());
  return {x, y, within(center.x + radius + 3, canvas.width()) - x, within(center.y + radius + 3, canvas.height()) - y};
}

}  // namespace fmboost::drawing
