#pragma once

#include "drawing/plane.h"
#include "drawing/random.h"

namespace fmboost::drawing {

inline constexpr int kPatternSide = 512;  ///< a power of two: reads wrap around the edges

/// A pattern of one of the kinds below, kPatternSide squared, values in 0 .. 1. Not all are seamless: a seam counts as
/// just another edge.
Plane random_pattern(Random& random);

// Fractal noise: plain, ridged, in bands, in patches or as a relief lit from one side.
Plane noise_pattern(Random& random);
/// Fine strands along a flow field: hair, fur, grass.
Plane hair_pattern(Random& random);
/// Cells around random centers: pebbles, scales, cracks.
Plane cell_pattern(Random& random);
/// Stripes: straight, bent or like a zebra's.
Plane stripe_pattern(Random& random);
/// Checks, tartan and weave.
Plane cloth_pattern(Random& random);
/// Courses of bricks or tiles, or the windows of a house.
Plane brick_pattern(Random& random);
Plane dot_pattern(Random& random);
Plane ring_pattern(Random& random);
/// Lines of invented letters.
Plane lettering_pattern(Random& random);
/// Small overlapping leaves.
Plane foliage_pattern(Random& random);

}  // namespace fmboost::drawing
