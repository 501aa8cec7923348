#pragma once

#include <vector>

#include "drawing/canvas.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Invented letters in one style: stems, bowls, arches and bars of one weight, with the proportions of Latin letters.
class Alphabet {
 public:
  explicit Alphabet(Random& random);

  /// A line of words between `start` and start.x + length. `size` is the height of a capital in pixels, start.y the
  /// baseline.
  void write(Canvas& canvas, Random& random, Point start, double length, double size, const Paint& paint) const;
  /// As many lines as fit, ragged or justified, sometimes with paragraphs.
  void write_block(Canvas& canvas, Random& random, Point corner, double width, double height, double size,
                   const Paint& paint) const;

 private:
  struct Stroke {
    std::vector<Point> points;
    bool curved = false;
  };
  struct Glyph {
    std::vector<Stroke> strokes;
    double width = 0.5;
  };

  Glyph make_glyph(Random& random) const;

  std::vector<Glyph> glyphs_;
  double weight_;    // stem width, in units of the letter size
  double contrast_;  // bar width relative to the stem width
  double slant_;
  bool serifs_;
};

}  // namespace fmboost::drawing
