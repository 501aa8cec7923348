#pragma once

#include <cstdint>
#include <vector>

#include "drawing/image.h"
#include "drawing/random.h"

namespace fmboost::drawing {

/// An abstract image with the statistics of photographs (after the dead leaves model: Lee, Mumford
/// and Huang 2001, "Occlusion models for natural images"): shapes of all sizes that hide one another, with textures,
/// light, depth of field, lettering and line drawings. It is square, `side` (>= 16) pixels wide, and depends only
/// on the two arguments.
Image draw_leaves(std::uint64_t seed, int side);

/// `count` crops of size x size pixels from a drawn image, each flipped, transposed and with its channels permuted at
/// random; half of them are cut at twice the size and downsampled, if the image is large enough. For seven of ten the
/// more detailed of two random positions is taken, since empty crops teach little. size <= both sides.
std::vector<Image> random_crops(const Image& image, Random& random, int size, int count);

/// The crops of draw_leaves(seed, canvas), deterministic; a larger count continues where a smaller one ends.
std::vector<Image> draw_leaf_crops(std::uint64_t seed, int canvas, int size, int count);

}  // namespace fmboost::drawing
