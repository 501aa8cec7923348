#pragma once

#include "drawing/canvas.h"
#include "drawing/filler.h"

namespace fmboost::drawing {

/// Shapes of all sizes over a ground, with everything else of this file in between.
void draw_clutter(Canvas& canvas, Random& random, const Filler& filler);
/// A wide sky over a textured ground, buildings or trees between them, and some clutter.
void draw_outdoors(Canvas& canvas, Random& random, const Filler& filler);
/// Flat or shaded areas with thin black outlines, hatching, frames, charts and lettering.
void draw_print(Canvas& canvas, Random& random, const Filler& filler);
/// One material close by, with folds, and little on it.
void draw_closeup(Canvas& canvas, Random& random, const Filler& filler);

/// `count` shapes, the larger ones first by and large, some of them clustered. Radii from `smallest` to `largest`
/// pixels, by their logarithm or towards r^-2.
struct Leaves {
  int count = 100;
  double smallest = 2;
  double largest = 100;
};
void draw_shapes(Canvas& canvas, Random& random, const Filler& filler, const Leaves& leaves);

// Details, `size` pixels or so large.
void draw_tuft(Canvas& canvas, Random& random, const Palette& palette, Point root, double size);
/// Fur or feathers that follow a flow, over a patch with a ragged edge.
void draw_fur(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius);
void draw_facade(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height);
void draw_sign(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height);
/// A bare tree or shrub.
void draw_branches(Canvas& canvas, Random& random, const Palette& palette, Point root, double size);
void draw_flower(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius);
/// Bars or curves over axes.
void draw_chart(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height);
/// Of a comic, with lettering.
void draw_bubble(Canvas& canvas, Random& random, Point center, double radius);
/// A title, lines of text, a chart at times.
void draw_slide(Canvas& canvas, Random& random, const Palette& palette, Point corner, double width, double height);
void draw_wires(Canvas& canvas, Random& random, const Palette& palette);
void draw_foliage(Canvas& canvas, Random& random, const Palette& palette, Point center, double radius);
void draw_outlined(Canvas& canvas, Random& random, const Filler& filler, Point center, double radius);
void draw_hatching(Canvas& canvas, Random& random, Point center, double radius);

}  // namespace fmboost::drawing
