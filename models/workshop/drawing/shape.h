#pragma once

#include "drawing/canvas.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Adds the outline of a random shape to the canvas's path: disc, ellipse, rectangle, polygon, smooth blob, leaf, or a
/// ribbon of varying width. It lies within about `radius` pixels of the center.
void add_shape(Canvas& canvas, Random& random, Point center, double radius);

/// A bent stroke that tapers: a hair, a blade of grass, a twig. `width` in pixels at its thickest.
void add_strand(Canvas& canvas, Random& random, Point root, double angle, double length, double bend, double width);

}  // namespace fmboost::drawing
