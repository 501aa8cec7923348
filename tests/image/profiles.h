#pragma once

#include "images.h"

namespace fmboost::test {

/// Display P3: wider than sRGB, with its curve.
PictureBytes display_p3_profile();
PictureBytes srgb_profile();
/// Grey with a gamma of 1.
PictureBytes linear_grey_profile();
/// RGB as a scanner's: colours can be converted from it, not to it.
PictureBytes one_way_profile();

/// Puts a profile into a JPEG, cut into so many segments, the last one first.
PictureBytes with_profile(const PictureBytes& jpeg, const PictureBytes& profile, int segments = 1);

}  // namespace fmboost::test
