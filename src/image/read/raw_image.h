#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <torch/types.h>
#include <vector>

#include "fmboost/image/decode.h"

namespace fmboost {

enum class ColorModel { gray, rgb, cmyk };

/// A decoded image before the conversion of colors and orientation.
struct RawImage {
  torch::Tensor samples;  ///< (H, W, C) uint8 or int32 (16 bits), C = 1, 3 or 4 by the model
  torch::Tensor alpha;    ///< (H, W) of the same type, or undefined
  double maximum = 255;   ///< the sample value of full intensity
  ColorModel model = ColorModel::rgb;
  ImageMetadata metadata;  ///< icc_profile of any model
  /// The profile that results get instead of that of the metadata; empty for sRGB.
  std::optional<std::vector<std::byte>> written_profile;
  /// That of the pixels, 1 to 8 as in EXIF, if the file says so outside of EXIF; it counts before EXIF's.
  std::optional<int> orientation;
  std::string format;
};

using Bytes = std::span<const std::byte>;

inline bool starts_with(Bytes bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, magic.size()) == magic;
}

/// Throws Error naming the image, in the format of all codecs.
[[noreturn]] void fail_decoding(const std::string& name, const std::string& what);

/// Throws Error if the size in a header is empty or exceeds the limits.
void check_dimensions(std::int64_t width, std::int64_t height, const DecodeLimits& limits, const std::string& name);

/// What is said of raw photographs, which are recognized in several places.
inline constexpr const char* kRawPhotograph =
    "is a raw photograph, which is not supported; develop it first, for example with `darktable-cli`";

/// Samples that a C library wrote into a tensor of int16, as unsigned numbers (int32): PyTorch only computes with
/// signed ones. Those of other types stay.
inline torch::Tensor as_unsigned(const torch::Tensor& samples) {
  return samples.scalar_type() == torch::kInt16 ? samples.to(torch::kInt32).bitwise_and(0xffff) : samples;
}

/// Turns RGB samples with equal channels into gray ones: a palette of grays is no reason to write colors.
void keep_gray_palette(RawImage& image);

bool is_pnm(Bytes bytes);
bool is_bmp(Bytes bytes);
bool is_tiff(Bytes bytes);
bool is_avif(Bytes bytes);
bool is_jxl(Bytes bytes);

RawImage decode_png(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_jpeg(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_webp(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_pnm(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_bmp(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_tiff(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_avif(Bytes bytes, const std::string& name, const DecodeLimits& limits);
RawImage decode_jxl(Bytes bytes, const std::string& name, const DecodeLimits& limits);
/// GIF, TGA, PSD and PIC.
RawImage decode_with_stb(Bytes bytes, const std::string& name, const DecodeLimits& limits);

/// What a file is that no reader reads, with the way to convert it, for example "is a HEIC image, ..."; empty if
/// unknown.
std::string named_format(Bytes bytes);

// The same without the pixels. Texts of a PNG that stand behind its pixels are not found.
ImageMetadata read_png_metadata(Bytes bytes, const std::string& name);
ImageMetadata read_jpeg_metadata(Bytes bytes, const std::string& name);
ImageMetadata read_webp_metadata(Bytes bytes);

/// A copy of bytes that a C library owns.
inline std::vector<std::byte> copy_bytes(const void* data, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  return {first, first + size};
}

}  // namespace fmboost
