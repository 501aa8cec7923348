#pragma once

#include <cstdint>
#include <vector>

#include "drawing/image.h"
#include "drawing/scene.h"

namespace fmboost::drawing {

/// Draws the scene at size x size pixels (16 .. 8192). It is the same image at every size: a larger one has finer
/// detail and, downsampled, differs from the smaller one by a few levels. Deterministic for a scene and size.
Image draw_landscape(const Scene& scene, int size);

/// A rectangle in an image of width and height 1, from the upper left corner.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;

  float area() const { return right > left && bottom > top ? (right - left) * (bottom - top) : 0; }
};

/// The fraction of `box` that `other` covers, 0 .. 1.
float covered(const Box& box, const Box& other);

enum class ItemKind { orb, birds, skyline, bridge, building, boat, animal, tree };

/// An object and its position.
struct Item {
  ItemKind kind = ItemKind::tree;
  Box box;
  float base = 0;          ///< y of its foot: lower objects are nearer and drawn later
  std::uint64_t seed = 0;  ///< determines its shape

  float x() const { return (box.left + box.right) / 2; }
  float width() const { return box.right - box.left; }
  float height() const { return box.bottom - box.top; }
};

/// A skyline of octaves of noise, each half (or `gain`) as high as the last and twice as fine. Everything behind it
/// lies above the line.
struct Ridge {
  float level = 0;      ///< mean y
  float amplitude = 0;  ///< of the first octave
  float frequency = 3;  ///< of the first octave, per image width
  float gain = 0.5F;
  std::uint32_t seed = 0;

  float at(float x) const;
};

/// An ellipse with an irregular shore.
struct Lake {
  float top = 0;
  float bottom = 0;
  float center = 0;
  float half_width = 0;

  /// Half of its width at this y, 0 outside.
  float half_width_at(float y) const;
  bool holds(float x, float y, float margin = 0) const;
};

/// The position of everything in a scene. Nothing that the caption names is hidden: distant objects are at most partly
/// covered.
struct Layout {
  float horizon = 0.55F;
  std::vector<Ridge> mountains;  ///< far to near
  std::vector<Ridge> hills;
  Ridge ground;
  Lake lake;                ///< empty if there is none
  std::vector<Item> items;  ///< far to near
};
Layout layout_of(const Scene& scene);

}  // namespace fmboost::drawing
