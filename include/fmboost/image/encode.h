#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fmboost/core/enum_names.h"
#include "fmboost/image/image.h"

namespace fmboost {

enum class ImageFormat { png, jpeg, webp, tiff };

/// The format of the suffix .png, .jpg, .jpeg, .webp, .tif or .tiff, in any case. Throws UsageError for other suffixes.
ImageFormat image_format_from_suffix(const std::filesystem::path& file);

/// Bits per sample of a written image.
enum class BitDepth { automatic, eight, sixteen };

template <>
inline constexpr auto kEnumNames<BitDepth> = enum_table<BitDepth>("bit depth", {{BitDepth::automatic, "auto"},
                                                                                {BitDepth::eight, "8"},
                                                                                {BitDepth::sixteen, "16"}});

struct EncodeOptions {
  ImageFormat format = ImageFormat::png;
  int quality = 95;               ///< JPEG and WebP, 1 .. 100; WebP is lossless at 100
  bool subsample_chroma = false;  ///< JPEG: 4:2:0 instead of 4:4:4
  int compression_level = 3;      ///< PNG and TIFF, 0 (none) .. 9 (smallest)
  /// PNG and TIFF; automatic: that of the image. JPEG and WebP always have 8 bits.
  BitDepth bit_depth = BitDepth::automatic;
};

/// Encodes an image. A sample is round(clamp((x + 1) / 2, 0, 1) * (2^bits - 1)), half to even like torch.round. Gray
/// images are written with one channel, except in WebP, which has none. Converts to the ICC profile of the metadata and
/// embeds it; without one the pixels are sRGB and nothing is embedded. EXIF, XMP and the density are written to all
/// formats; EXIF and XMP are made to agree with the image: its size and density, no thumbnail. Text becomes tEXt
/// (Latin-1) or iTXt chunks in PNG; in the other formats, the text "parameters" becomes the EXIF user comment (UNICODE,
/// as A1111-style readers expect) unless the image has EXIF data. For JPEG, alpha is composited over white. Throws
/// Error if the format does not support the size.
std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options);

/// What the format cannot hold of the image, for example "16 bits per sample" and "transparency"; empty if nothing is
/// lost.
std::vector<std::string> lost_in_format(const Image& image, const EncodeOptions& options);

/// Throws Error if an image of this size cannot be written in the format: JPEG and WebP limit their sides to 65500 and
/// 16383 pixels.
void check_format_size(ImageFormat format, std::int64_t width, std::int64_t height);

/// The 8-bit samples of (C, H, W) float32 in [-1, 1] as (H, W, C) uint8.
torch::Tensor to_uint8(const torch::Tensor& pixels);

}  // namespace fmboost
