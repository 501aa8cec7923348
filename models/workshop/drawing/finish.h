#pragma once

#include "drawing/canvas.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// Light and lens: uneven light, gamma, the blur of a lens and the sharpening of a camera, each in some pictures only.
void finish(Canvas& canvas, Random& random);

}  // namespace fmboost::drawing
