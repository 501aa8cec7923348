#include "drawing/palette.h"

#include <algorithm>

#include "drawing/canvas.h"

namespace fmboost::drawing {
namespace {

// Photographs show more earth, leaves and skin (red to green) than violet.
double natural_hue(Random& random) {
  const double kind = random.uniform();
  if (kind < 0.45) {
    return 0.08 + 0.05 * random.normal();
  }
  if (kind < 0.65) {
    return 0.27 + 0.06 * random.normal();
  }
  return kind < 0.82 ? 0.58 + 0.05 * random.normal() : random.uniform();
}

Color any_color(Random& random) {
  return hsv(random.uniform(), random.kumaraswamy(1.2, 2.2), random.kumaraswamy(1.4, 1.3));
}

Color jittered(Random& random, Color color) {
  const double light = random.uniform(0.55, 1.45);
  const auto part = [&](float v) { return static_cast<float>(v * light + 0.04 * random.normal()); };
  return clamped({part(color.r), part(color.g), part(color.b)});
}

}  // namespace

Palette::Palette(Random& random) {
  for (int i = random.integer(2, 5); i > 0; --i) {
    const double value = random.kumaraswamy(1.4, 1.3);
    const bool grey = random.chance(0.25);
    const double saturation = grey ? random.uniform(0, 0.12) : random.kumaraswamy(1.4, 2.4);
    materials_.push_back(hsv(natural_hue(random), saturation, value));
  }
}

Color Palette::color(Random& random) const {
  return random.chance(0.75) ? jittered(random, random.choice(materials_)) : any_color(random);
}

Ramp Palette::ramp(Random& random) const {
  const Color first = color(random);
  Color last = color(random);
  if (random.chance(0.8)) {
    const double depth = random.log_uniform(0.06, 0.5);
    const auto light = static_cast<float>(random.chance(0.5) ? depth : -depth);
    last = clamped(first + Color{light, light, light} +
                   Color{static_cast<float>(random.uniform(-0.1, 0.1)), static_cast<float>(random.uniform(-0.1, 0.1)),
                         static_cast<float>(random.uniform(-0.1, 0.1))});
  }
  const bool three = random.chance(0.25);
  const Color middle = three ? color(random) : mix(first, last, 0.5F);
  const double knee = random.uniform(0.3, 0.7);
  Ramp ramp;
  for (std::size_t i = 0; i < ramp.size(); ++i) {
    const double t = static_cast<double>(i) / 255;
    const Color c = !three     ? mix(first, last, static_cast<float>(t))
                    : t < knee ? mix(first, middle, static_cast<float>(t / knee))
                               : mix(middle, last, static_cast<float>((t - knee) / (1 - knee)));
    ramp[i] = pack(c);
  }
  return ramp;
}

Ramp Palette::faint_ramp(Random& random) const {
  const Color middle = color(random);
  const double depth = random.log_uniform(0.06, 0.5);
  Ramp ramp;
  for (std::size_t i = 0; i < ramp.size(); ++i) {
    const double light = 1 + depth * (static_cast<double>(i) / 255 - 0.5);
    ramp[i] = pack(clamped(middle * static_cast<float>(light)));
  }
  return ramp;
}

}  // namespace fmboost::drawing
