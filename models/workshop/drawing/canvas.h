#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "drawing/color.h"
#include "drawing/picture.h"
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

/// A color at a place of a gradient, 0 .. 1 along it.
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
  /// From `from` to `to`, and the last colors beyond both.
  static Paint linear(Point from, Point to, std::span<const Stop> stops);
  /// From the centre outwards, and the last color beyond.
  static Paint radial(Point centre, double radius, std::span<const Stop> stops);
  /// The canvas as a tile that repeats for ever: its corner at `origin`, its pixels `scale` pixels large, turned by
  /// `angle` radians. The canvas's pixels are shared, not copied. Nearest pixels for scale 1 and angle 0, bilinear
  /// otherwise.
  static Paint texture(const Canvas& tile, Point origin, double scale = 1, double angle = 0);

  _cairo_pattern* pattern() const { return pattern_.get(); }

 private:
  explicit Paint(_cairo_pattern* pattern);
  std::shared_ptr<_cairo_pattern> pattern_;
};

/// A surface to draw on, opaque sRGB, with Cairo's antialiasing. Coordinates in pixels from the left upper corner
/// (unless the context is transformed). Everything else that Cairo can do is reached through context(). Errors of Cairo
/// throw.
class Canvas {
 public:
  Canvas(int width, int height);
  explicit Canvas(const Picture& picture);
  Canvas(Canvas&&) noexcept = default;
  Canvas& operator=(Canvas&&) noexcept = default;

  int width() const { return width_; }
  int height() const { return height_; }
  _cairo* context() const { return context_.get(); }
  _cairo_surface* surface() const { return surface_.get(); }

  /// Covers everything.
  void paint(const Paint& paint);

  // Each adds to the path that the next fill or stroke uses up.
  void circle(Point centre, double radius);
  void ellipse(Point centre, double radius_x, double radius_y, double angle = 0);
  void rectangle(Point corner, double width, double height);
  void polygon(std::span<const Point> corners);
  void polyline(std::span<const Point> points);
  /// A closed curve through all points, smooth in each (Catmull-Rom as Bezier curves). At least three points.
  void smooth_polygon(std::span<const Point> points);
  /// An open one. At least two points.
  void smooth_line(std::span<const Point> points);

  void fill(const Paint& paint);
  /// Fills, and keeps the path for a stroke after it.
  void fill_keep(const Paint& paint);
  /// Forgets the path that fill_keep kept.
  void discard_path();
  /// Round ends and joints.
  void stroke(const Paint& paint, double line_width);
  /// Lays the paint over the path through a mask: `mask` is the alpha (0 .. 1) of the pixels from (x, y) on.
  void fill_mask(const Paint& paint, const Plane& mask, int x, int y);

  /// The pixels of row y, 0xRRGGBB each under a byte without meaning. They may be written until something is drawn
  /// again.
  std::uint32_t* row(int y);
  Picture picture();
  /// Takes all pixels from three planes of the canvas's size, rounded and kept within 0 .. 1.
  void set_planes(const Plane& r, const Plane& g, const Plane& b);

 private:
  void check(const char* what) const;

  int width_;
  int height_;
  std::shared_ptr<_cairo_surface> surface_;
  std::shared_ptr<_cairo> context_;
};

/// A color as Canvas::row has it.
std::uint32_t pack(Color color);
Color unpack(std::uint32_t pixel);

/// The Gaussian blur of all three channels.
void gaussian_blur(Canvas& canvas, double sigma);

}  // namespace fmboost::drawing
