#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <torch/types.h>
#include <vector>

#include "image/read/raw_image.h"

namespace fmboost {

/// Conversions between an ICC profile and sRGB, by LittleCMS in unbounded floating point: nothing is clipped.

/// samples: (H, W, C) float32 in [0, 1], C by the model -> (H, W, 3) sRGB. Without a profile, or with one that is
/// damaged (with a warning), of another model or sRGB: RGB is unchanged, gray is repeated, and CMYK is multiplied out.
/// `keep_profile`: whether a result should be converted back, that is, for RGB and gray with a valid profile other than
/// sRGB that supports conversion in this direction. Gray stays gray: its three channels are equal.
torch::Tensor to_srgb(const torch::Tensor& samples, ColorModel model, const std::vector<std::byte>& profile,
                      const std::string& name, bool& keep_profile);

/// Converts sRGB to an ICC profile. Usable from several threads.
class SrgbConversion {
 public:
  /// The profile must be one of the model, gray or rgb. Throws Error otherwise.
  SrgbConversion(const std::vector<std::byte>& profile, ColorModel model);

  /// One row, in place: its channels (1 or 3, by the model) one after another, in [-1, 1]. `scratch` has room for twice
  /// three channels.
  void convert_planes(std::span<float> planes, std::span<float> scratch) const;

 private:
  std::shared_ptr<void> transform_;
  std::size_t channels_;
};

/// An RGB color space as the header of a PNG or of a video describes it.
struct ColorSpace {
  enum class Transfer { gamma, srgb, bt709 };

  std::array<double, 2> white{0.3127, 0.3290};  ///< CIE x, y
  std::array<double, 2> red{0.64, 0.33};
  std::array<double, 2> green{0.30, 0.60};
  std::array<double, 2> blue{0.15, 0.06};
  Transfer transfer = Transfer::srgb;
  double gamma = 2.2;  ///< of Transfer::gamma: light = sample ^ gamma

  bool is_srgb() const;
};

/// The color space with these numbers of ITU-T H.273 (PNG's cICP, AVIF); none, with a warning that names the image, for
/// those that are not supported, PQ and HLG among them.
std::optional<ColorSpace> coded_color_space(int primaries, int transfer, const std::string& name);

/// Describes the pixels of an image without a profile: they are converted from this color space, and results are
/// written in sRGB, or, where the primaries are others, with these and sRGB's transfer function.
void set_color_space(RawImage& image, const ColorSpace& space, const std::string& name);

/// The color space as an ICC profile of the model, gray or rgb; empty if LittleCMS cannot make one, because the
/// primaries lie on a line, for example.
std::vector<std::byte> make_profile(const ColorSpace& space, ColorModel model);

}  // namespace fmboost
