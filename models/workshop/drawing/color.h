#pragma once

namespace fmboost::drawing {

/// sRGB, each 0 .. 1.
struct Color {
  float r = 0;
  float g = 0;
  float b = 0;

  friend Color operator+(Color a, Color b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
  friend Color operator-(Color a, Color b) { return {a.r - b.r, a.g - b.g, a.b - b.b}; }
  friend Color operator*(Color a, Color b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
  friend Color operator*(Color a, float k) { return {a.r * k, a.g * k, a.b * k}; }
};

/// a at t = 0, b at t = 1.
inline Color mix(Color a, Color b, float t) {
  return a + (b - a) * t;
}

/// Each component clamped to 0 .. 1.
Color clamped(Color color);

/// Hue, saturation and value, each 0 .. 1; the hue wraps around.
Color hsv(double hue, double saturation, double value);

/// 0.299 r + 0.587 g + 0.114 b.
inline float luma(Color c) {
  return 0.299F * c.r + 0.587F * c.g + 0.114F * c.b;
}

}  // namespace fmboost::drawing
