#include "fmboost_draw/kinds.h"

#include "drawing/caption.h"
#include "drawing/landscape.h"
#include "drawing/leaves.h"

namespace fmboost::draw_tool {
namespace {

Drawing draw_leaves(std::uint64_t seed, const Request& request) {
  if (request.crops > 0) {
    return {drawing::draw_leaf_crops(seed, request.canvas, request.size, request.crops), {}, {}};
  }
  return {{drawing::draw_leaves(seed, request.size)}, {}, {}};
}

Drawing draw_landscapes(std::uint64_t seed, const Request& request) {
  const drawing::Scene scene = drawing::random_scene(seed);
  return {{drawing::draw_landscape(scene, request.size)}, drawing::caption(scene), drawing::to_json(scene)};
}

constexpr Kind kKinds[] = {
    {"landscapes", "Landscapes with captions that name all they show", 16, true, false, draw_landscapes},
    {"leaves", "Shapes and textures with the statistics of photographs", 16, false, true, draw_leaves},
};

}  // namespace

std::span<const Kind> kinds() {
  return kKinds;
}

}  // namespace fmboost::draw_tool
