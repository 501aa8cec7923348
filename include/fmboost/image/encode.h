#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "fmboost/image/image.h"

namespace fmboost {

enum class ImageFormat { png, jpeg, webp };

/// The format of the suffix .png, .jpg, .jpeg or .webp, in any case. Throws UsageError for other suffixes.
ImageFormat image_format_from_suffix(const std::filesystem::path& file);

struct EncodeOptions {
  ImageFormat format = ImageFormat::png;
  int quality = 95;               ///< JPEG and WebP, 1 .. 100; WebP is lossless at 100
  bool subsample_chroma = false;  ///< JPEG: 4:2:0 instead of 4:4:4
  int compression_level = 3;      ///< PNG, zlib level 0 .. 9
};

/// Encodes with 8 bits per channel: round((clamp(x, -1, 1) + 1) * 127.5), half to even like torch.round. Converts to
/// the ICC profile of the metadata and embeds it; without one the pixels are sRGB and nothing is embedded. EXIF is
/// written to all formats; text becomes tEXt (Latin-1) or iTXt chunks in PNG. In JPEG and WebP, the text "parameters"
/// becomes the EXIF user comment (UNICODE, as A1111-style readers expect) unless the image has EXIF data. For JPEG,
/// alpha is composited over white. Throws Error if the format does not support the size (WebP: 16383 per side).
std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options);

/// The 8-bit samples of (C, H, W) float32 in [-1, 1] as (H, W, C) uint8.
torch::Tensor to_uint8(const torch::Tensor& pixels);

}  // namespace fmboost
