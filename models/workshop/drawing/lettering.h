#pragma once

#include <vector>

#include "drawing/canvas.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Made-up letters of one hand: stems, bowls, arches and bars of one weight, on the lines that Latin letters keep to.
class Alphabet {
 public:
  explicit Alphabet(Random& random);

  /// A line of words between `start` and start.x + length. `size` is the height of a capital in pixels; start.y the
  /// base line.
  void write(Canvas& canvas, Random& random, Point start, double length, double size, const Paint& paint) const;
  /// Lines one below the other as far as they fit; ragged or justified to the corner, paragraphs at times.
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
  double weight_;    // of a stem, in sizes
  double contrast_;  // of a bar to a stem
  double slant_;
  bool serifs_;
};

}  // namespace fmboost::drawing
