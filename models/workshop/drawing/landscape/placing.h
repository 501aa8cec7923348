#pragma once

#include "drawing/landscape.h"
#include "drawing/scene.h"

namespace fmboost::drawing {

/// Fills layout.items, far to near, with the objects of the scene, placed so that none hides another. The land and the
/// lake must have been laid out before.
void place_items(const Scene& scene, Layout& layout);

}  // namespace fmboost::drawing
