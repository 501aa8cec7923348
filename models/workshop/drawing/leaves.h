#pragma once

#include <cstdint>
#include <vector>

#include "drawing/picture.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// A picture of nothing in particular whose statistics resemble photographs' (after the dead leaves model: Lee, Mumford
/// and Huang 2001, "Occlusion models for natural images"): shapes of all sizes that hide one another, with textures,
/// light, depth of field, lettering and line drawings. It is square, `side` pixels of at least 16, and depends on
/// nothing but the two arguments.
Picture draw_leaves(std::uint64_t seed, int side);

/// `count` crops of size x size pixels from a drawn picture, each flipped, transposed and with its channels permuted at
/// random; half of them are twice as large and reduced, where the picture is large enough. Seven of ten lie where there
/// is more detail than at a second place, for little is learned from empty ones. size <= both sides.
std::vector<Picture> random_crops(const Picture& picture, Random& random, int size, int count);

/// The crops of draw_leaves(seed, canvas), the same for the same arguments; a larger count goes on where a smaller
/// ends.
std::vector<Picture> draw_leaf_crops(std::uint64_t seed, int canvas, int size, int count);

}  // namespace fmboost::drawing
