#include "drawing/canvas.h"

#include <algorithm>
#include <cairo.h>
#include <cmath>
#include <numbers>
#include <string>

#include "fmboost/core/error.h"

namespace fmboost::drawing {
namespace {

std::shared_ptr<_cairo_surface> make_surface(cairo_format_t format, int width, int height) {
  std::shared_ptr<_cairo_surface> surface(cairo_image_surface_create(format, width, height), cairo_surface_destroy);
  const auto status = cairo_surface_status(surface.get());
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error("cannot make a canvas of " + std::to_string(width) + "x" + std::to_string(height) +
                " pixels: " + cairo_status_to_string(status));
  }
  return surface;
}

// lround takes ten times as long, and this runs for every pixel.
std::uint32_t to_byte(float v) {
  return static_cast<std::uint32_t>(std::clamp(v, 0.0F, 1.0F) * 255 + 0.5F);  // NOLINT(bugprone-incorrect-roundings)
}

// Control points at a sixth of the distance between the neighbors make the curve a Catmull-Rom spline.
void curve_between(cairo_t* context, Point before, Point from, Point to, Point after) {
  cairo_curve_to(context, from.x + (to.x - before.x) / 6, from.y + (to.y - before.y) / 6, to.x - (after.x - from.x) / 6,
                 to.y - (after.y - from.y) / 6, to.x, to.y);
}

}  // namespace

Canvas::Canvas(int width, int height)
    : width_(width),
      height_(height),
      surface_(make_surface(CAIRO_FORMAT_RGB24, width, height)),
      context_(cairo_create(surface_.get()), cairo_destroy) {
  cairo_set_line_cap(context(), CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join(context(), CAIRO_LINE_JOIN_ROUND);
  check("make a canvas");
}

Canvas::Canvas(const Image& image) : Canvas(image.width, image.height) {
  for (int y = 0; y < height_; ++y) {
    std::uint32_t* out = row(y);
    const std::uint8_t* in = image.pixel(0, y);
    for (int x = 0; x < width_; ++x, in += 3) {
      out[x] = 0xff000000U | static_cast<std::uint32_t>(in[0]) << 16 | static_cast<std::uint32_t>(in[1]) << 8 | in[2];
    }
  }
}

void Canvas::check(const char* what) const {
  const auto status = cairo_status(context());
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error(std::string("cannot ") + what + ": " + cairo_status_to_string(status));
  }
}

void Canvas::paint(const Paint& paint) {
  cairo_set_source(context(), paint.pattern());
  cairo_paint(context());
  check("paint a canvas");
}

void Canvas::circle(Point center, double radius) {
  cairo_new_sub_path(context());
  cairo_arc(context(), center.x, center.y, radius, 0, 2 * std::numbers::pi);
  cairo_close_path(context());
}

void Canvas::ellipse(Point center, double radius_x, double radius_y, double angle) {
  cairo_save(context());
  cairo_translate(context(), center.x, center.y);
  cairo_rotate(context(), angle);
  cairo_scale(context(), std::max(radius_x, 1e-6), std::max(radius_y, 1e-6));  // Cairo rejects a scale of zero
  circle({0, 0}, 1);
  cairo_restore(context());
}

void Canvas::rectangle(Point corner, double width, double height) {
  cairo_rectangle(context(), corner.x, corner.y, width, height);
}

void Canvas::polygon(std::span<const Point> corners) {
  polyline(corners);
  cairo_close_path(context());
}

void Canvas::polyline(std::span<const Point> points) {
  cairo_new_sub_path(context());
  for (const auto& point : points) {
    cairo_line_to(context(), point.x, point.y);
  }
}

void Canvas::smooth_polygon(std::span<const Point> points) {
  const std::size_t n = points.size();
  cairo_move_to(context(), points[0].x, points[0].y);
  for (std::size_t i = 0; i < n; ++i) {
    curve_between(context(), points[(i + n - 1) % n], points[i], points[(i + 1) % n], points[(i + 2) % n]);
  }
  cairo_close_path(context());
}

void Canvas::smooth_line(std::span<const Point> points) {
  const std::size_t last = points.size() - 1;
  cairo_move_to(context(), points[0].x, points[0].y);
  for (std::size_t i = 0; i < last; ++i) {
    curve_between(context(), points[i == 0 ? 0 : i - 1], points[i], points[i + 1], points[std::min(i + 2, last)]);
  }
}

void Canvas::fill(const Paint& paint) {
  cairo_set_source(context(), paint.pattern());
  cairo_fill(context());
  check("fill a path");
}

void Canvas::fill_keep(const Paint& paint) {
  cairo_set_source(context(), paint.pattern());
  cairo_fill_preserve(context());
  check("fill a path");
}

void Canvas::discard_path() {
  cairo_new_path(context());
}

void Canvas::stroke(const Paint& paint, double line_width) {
  cairo_set_source(context(), paint.pattern());
  cairo_set_line_width(context(), line_width);
  cairo_stroke(context());
  check("stroke a path");
}

void Canvas::fill_mask(const Paint& paint, const Plane& mask, int x, int y) {
  const auto surface = make_surface(CAIRO_FORMAT_A8, mask.width, mask.height);
  cairo_surface_flush(surface.get());
  unsigned char* bytes = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int row = 0; row < mask.height; ++row) {
    for (int column = 0; column < mask.width; ++column) {
      bytes[static_cast<std::ptrdiff_t>(row) * stride + column] =
          static_cast<unsigned char>(to_byte(mask.at(column, row)));
    }
  }
  cairo_surface_mark_dirty(surface.get());
  cairo_set_source(context(), paint.pattern());
  cairo_mask_surface(context(), surface.get(), x, y);
  check("paint through a mask");
}

std::uint32_t* Canvas::row(int y) {
  cairo_surface_flush(surface());
  cairo_surface_mark_dirty(surface());
  unsigned char* bytes = cairo_image_surface_get_data(surface());
  return reinterpret_cast<std::uint32_t*>(bytes +
                                          static_cast<std::ptrdiff_t>(y) * cairo_image_surface_get_stride(surface()));
}

Image Canvas::image() {
  Image image(width_, height_);
  for (int y = 0; y < height_; ++y) {
    const std::uint32_t* in = row(y);
    std::uint8_t* out = image.pixel(0, y);
    for (int x = 0; x < width_; ++x, out += 3) {
      out[0] = static_cast<std::uint8_t>(in[x] >> 16);
      out[1] = static_cast<std::uint8_t>(in[x] >> 8);
      out[2] = static_cast<std::uint8_t>(in[x]);
    }
  }
  return image;
}

void Canvas::set_planes(const Plane& r, const Plane& g, const Plane& b) {
  for (int y = 0; y < height_; ++y) {
    std::uint32_t* out = row(y);
    for (int x = 0; x < width_; ++x) {
      out[x] = pack({r.at(x, y), g.at(x, y), b.at(x, y)});
    }
  }
}

std::uint32_t pack(Color color) {
  return 0xff000000U | to_byte(color.r) << 16 | to_byte(color.g) << 8 | to_byte(color.b);
}

Color unpack(std::uint32_t pixel) {
  const auto part = [&](int shift) { return static_cast<float>((pixel >> shift) & 0xffU) * (1.0F / 255); };
  return {part(16), part(8), part(0)};
}

void gaussian_blur(Canvas& canvas, double sigma) {
  Plane planes[3];
  for (int c = 0; c < 3; ++c) {
    planes[c] = Plane(canvas.width(), canvas.height());
    for (int y = 0; y < canvas.height(); ++y) {
      const std::uint32_t* in = canvas.row(y);
      float* out = planes[c].row(y);
      for (int x = 0; x < canvas.width(); ++x) {
        out[x] = static_cast<float>((in[x] >> (16 - 8 * c)) & 0xffU) * (1.0F / 255);
      }
    }
    gaussian_blur(planes[c], sigma);
  }
  canvas.set_planes(planes[0], planes[1], planes[2]);
}

}  // namespace fmboost::drawing
