#include "kinds.h"

#include "fmboost/drawing/leaves.h"

namespace fmboost::draw_tool {
namespace {

Drawing draw_leaves(std::uint64_t seed, const Request& request) {
  if (request.crops > 0) {
    return {drawing::draw_leaf_crops(seed, request.canvas, request.size, request.crops), {}, {}};
  }
  return {{drawing::draw_leaves(seed, request.size)}, {}, {}};
}

constexpr Kind kKinds[] = {
    {"leaves", "Shapes and textures with the statistics of photographs", 16, false, true, draw_leaves},
};

}  // namespace

std::span<const Kind> kinds() {
  return kKinds;
}

}  // namespace fmboost::draw_tool
