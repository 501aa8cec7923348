#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "drawing/color.h"
#include "drawing/image.h"
#include "drawing/plane.h"

// NOLINTBEGIN(bugprone-reserved-identifier): Cairo's own names
struct _cairo;          // cairo_t
struct _cairo_pattern;  // cairo_pattern_t
struct _cairo_surface;  // cairo_surface_t
// NOLINTEND(bugprone-reserved-identifier)

namespace fmboost::drawing {

struct Point {
  double x = 0;
  double y = 0;
};

/// A color stop of a gradient; the position is 0 .. 1.
struct Stop {
  double offset = 0;
  Color color;
  double alpha = 1;
};

class Canvas;

/// What a path is filled or stroked with.
class Paint {
 public:
  Paint(Color color, double alpha = 1);  // NOLINT(google-explicit-constructor): a color is a paint
                                         /// From `from` to `to`; the end colors extend beyond both.
  static Paint linear(Point from, Point to, std::span<const Stop> stops);
  /// From the center outward; the last color extends beyond the radius.
  static Paint radial(Point center, double radius, std::span<const Stop> stops);
  /// The canvas as an endlessly repeating tile: its corner at `origin`, each pixel `scale` pixels wide, rotated by
  /// `angle` radians. The canvas's pixels are shared, not copied. Nearest pixels for scale 1 and angle 0, bilinear
  /// otherwise.
  static Paint texture(const Canvas& tile, Point origin, double scale = 1, double angle = 0);

  _cairo_pattern* pattern() const { return pattern_.get(); }

 private:
  explicit Paint(_cairo_pattern* pattern);
  std::shared_ptr<_cairo_pattern> pattern_;
};

/// An opaque sRGB surface to draw on, with Cairo's antialiasing. Coordinates are in pixels from the upper left corner
/// (unless the context is transformed). context() gives access to the rest of Cairo. Cairo errors throw.
class Canvas {
 public:
  Canvas(int width, int height);
  explicit Canvas(const Image& image);
  Canvas(Canvas&&) noexcept = default;
  Canvas& operator=(Canvas&&) noexcept = default;

  int width() const { return width_; }
  int height() const { return height_; }
  _cairo* context() const { return context_.get(); }
  _cairo_surface* surface() const { return surface_.get(); }

  /// Covers the whole canvas.
  void paint(const Paint& paint);

  // Each adds to the path that the next fill or stroke consumes.
  void circle(Point center, double radius);
  void ellipse(Point center, double radius_x, double radius_y, double angle = 0);
  void rectangle(Point corner, double width, double height);
  void polygon(std::span<const Point> corners);
  void polyline(std::span<const Point> points);
  /// A closed smooth curve through all points (Catmull-Rom as Bezier curves). At least three points.
  void smooth_polygon(std::span<const Point> points);
  /// An open smooth curve. At least two points.
  void smooth_line(std::span<const Point> points);

  void fill(const Paint& paint);
  /// Fills, and keeps the path for a following stroke.
  void fill_keep(const Paint& paint);
  /// Discards the path that fill_keep kept.
  void discard_path();
  /// With round caps and joins.
  void stroke(const Paint& paint, double line_width);
  /// Paints the path through `mask`, the alpha (0 .. 1) of the pixels from (x, y) on.
  void fill_mask(const Paint& paint, const Plane& mask, int x, int y);

  /// The pixels of row y: 0xRRGGBB each, the top byte is unused. They may be written until the next drawing call.
  std::uint32_t* row(int y);
  Image image();
  /// Sets all pixels from three planes of the canvas's size, clamped to 0 .. 1 and rounded.
  void set_planes(const Plane& r, const Plane& g, const Plane& b);

 private:
  void check(const char* what) const;

  int width_;
  int height_;
  std::shared_ptr<_cairo_surface> surface_;
  std::shared_ptr<_cairo> context_;
};

/// A color in the format of Canvas::row.
std::uint32_t pack(Color color);
Color unpack(std::uint32_t pixel);

/// Gaussian blur of all three channels.
void gaussian_blur(Canvas& canvas, double sigma);

}  // namespace fmboost::drawing
