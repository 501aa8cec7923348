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

/// Gives the shapes of one picture their surfaces, out of its few patterns and its palette.
class Filler {
 public:
  /// `patterns` of them are drawn, which is what most of a picture's time goes to.
  Filler(Random& random, int patterns);

  const Palette& palette() const { return palette_; }

  Paint flat(Random& random) const { return palette_.color(random); }
  Paint gradient(Random& random, Point centre, double radius) const;
  /// One of the patterns in new colors, turned and scaled half of the time, made for the pixels of `box`.
  Paint textured(Random& random, const Box& box) const;
  /// The same of little contrast and mostly without order: what walls, cloth and skin look like.
  Paint plain(Random& random, const Box& box) const;
  /// Any of them.
  Paint any(Random& random, const Canvas& canvas, Point centre, double radius) const;
  /// Light from one side, or as on a ball: to be laid over what is already filled.
  static Paint shading(Random& random, Point centre, double radius);

 private:
  Palette palette_;
  std::vector<Plane> patterns_;
  Plane roughness_;
};

/// The part of the canvas that a shape can cover; empty where it lies outside.
Box box_around(const Canvas& canvas, Point centre, double radius);

}  // namespace fmboost::drawing
