#pragma once

#include "drawing/canvas.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Simulates light and lens: uneven light, gamma, lens blur and camera sharpening, each in some images only.
void finish(Canvas& canvas, Random& random);

}  // namespace fmboost::drawing
