#pragma once

#include "images.h"

namespace fmboost::test {

/// Display P3: wider than sRGB, with its curve.
ImageBytes display_p3_profile();
ImageBytes srgb_profile();
/// Gray with a gamma of 1.
ImageBytes linear_gray_profile();
/// RGB as a scanner's: colors can be converted from it, not to it.
ImageBytes one_way_profile();

/// Puts a profile into a JPEG, cut into so many segments, the last one first.
ImageBytes with_profile(const ImageBytes& jpeg, const ImageBytes& profile, int segments = 1);

}  // namespace fmboost::test
