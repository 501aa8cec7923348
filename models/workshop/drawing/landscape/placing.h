#pragma once

#include "drawing/landscape.h"
#include "drawing/scene.h"

namespace fmboost::drawing {

/// Fills layout.items, far to near, with everything of the scene: where nothing hides it and it hides nothing. The land
/// and the lake are there already.
void place_items(const Scene& scene, Layout& layout);

}  // namespace fmboost::drawing
