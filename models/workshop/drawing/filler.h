#pragma once

#include <vector>

#include "drawing/canvas.h"
#include "drawing/palette.h"

namespace fmboost::drawing {

/// A rectangle of whole pixels.
struct Box {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

/// Fills the shapes of one image with surfaces made from its few patterns and its palette.
class Filler {
 public:
  /// Draws `patterns` patterns, which takes most of the time of an image.
  Filler(Random& random, int patterns);

  const Palette& palette() const { return palette_; }

  Paint flat(Random& random) const { return palette_.color(random); }
  Paint gradient(Random& random, Point center, double radius) const;
  /// One of the patterns in new colors, rotated and scaled half of the time, covering the pixels of `box`.
  Paint textured(Random& random, const Box& box) const;
  /// The same with low contrast and mostly irregular: walls, cloth, skin.
  Paint plain(Random& random, const Box& box) const;
  /// Any of the surfaces.
  Paint any(Random& random, const Canvas& canvas, Point center, double radius) const;
  /// Light from one side, or as on a ball, to be painted over a filled shape.
  static Paint shading(Random& random, Point center, double radius);

 private:
  Palette palette_;
  std::vector<Plane> patterns_;
  Plane roughness_;
};

/// The part of the canvas that a shape can cover; empty if the shape lies outside.
Box box_around(const Canvas& canvas, Point center, double radius);

}  // namespace fmboost::drawing
