#pragma once

#include "drawing/plane.h"
#include "drawing/random.h"

namespace fmboost::drawing {

inline constexpr int kPatternSide = 512;  ///< a power of two: patterns are read round their edges

/// A pattern of one of the kinds below, kPatternSide squared, values within 0 .. 1. Not all are seamless: a seam is an
/// edge like any other.
Plane random_pattern(Random& random);

// Fractal noise: as it is, ridged, in bands, in patches or as a relief lit from one side.
Plane noise_pattern(Random& random);
/// Fine strands that follow a flow: hair, fur, grass.
Plane hair_pattern(Random& random);
/// Cells around random centres: pebbles, scales, cracks.
Plane cell_pattern(Random& random);
/// Stripes, straight or bent, and zebra's.
Plane stripe_pattern(Random& random);
/// Checks, tartan and weave.
Plane cloth_pattern(Random& random);
/// Courses of bricks or tiles, or the windows of a house.
Plane brick_pattern(Random& random);
Plane dot_pattern(Random& random);
Plane ring_pattern(Random& random);
/// Lines of made-up letters.
Plane lettering_pattern(Random& random);
/// Small leaves over one another.
Plane foliage_pattern(Random& random);

}  // namespace fmboost::drawing
