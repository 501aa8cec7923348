#pragma once

#include <cstdint>
#include <vector>

#include "drawing/picture.h"
#include "drawing/scene.h"

namespace fmboost::drawing {

/// Draws the scene, size x size pixels (16 .. 8192), the same picture at every size: a larger one holds finer detail,
/// and reduced it is the smaller one but for a few levels. The same bytes for the same scene and size.
Picture draw_landscape(const Scene& scene, int size);

/// Part of a picture whose sides are 1 long, from the left upper corner.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;

  float area() const { return right > left && bottom > top ? (right - left) * (bottom - top) : 0; }
};

/// The part of `box` that `other` covers, 0 .. 1.
float covered(const Box& box, const Box& other);

enum class ItemKind { orb, birds, skyline, bridge, building, boat, animal, tree };

/// A thing and its place.
struct Item {
  ItemKind kind = ItemKind::tree;
  Box box;
  float base = 0;          ///< where it stands, y: what stands lower is nearer and drawn later
  std::uint64_t seed = 0;  ///< of its shape

  float x() const { return (box.left + box.right) / 2; }
  float width() const { return box.right - box.left; }
  float height() const { return box.bottom - box.top; }
};

/// A line across the picture, above which lies what is further away: octaves of noise, each half as high (or `gain` of
/// it) and twice as fine.
struct Ridge {
  float level = 0;      ///< mean y
  float amplitude = 0;  ///< of the first octave
  float frequency = 3;  ///< of the first octave, in a picture's width
  float gain = 0.5F;
  std::uint32_t seed = 0;

  float at(float x) const;
};

/// An ellipse with an uneven shore.
struct Lake {
  float top = 0;
  float bottom = 0;
  float center = 0;
  float half_width = 0;

  /// Half its width at that height, 0 outside.
  float half_width_at(float y) const;
  bool holds(float x, float y, float margin = 0) const;
};

/// Where everything of a scene is. Nothing that is named lies hidden: what stands further away is at most partly
/// covered.
struct Layout {
  float horizon = 0.55F;
  std::vector<Ridge> mountains;  ///< far to near
  std::vector<Ridge> hills;
  Ridge ground;
  Lake lake;                ///< empty when there is none
  std::vector<Item> items;  ///< far to near
};
Layout layout_of(const Scene& scene);

}  // namespace fmboost::drawing
