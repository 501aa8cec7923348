#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "fmboost/image/image.h"

namespace fmboost {

enum class ImageFormat { png, jpeg, webp };

/// By suffix: .png, .jpg/.jpeg, .webp, in any case. Throws UsageError listing them for anything else.
ImageFormat image_format_from_suffix(const std::filesystem::path& file);

struct EncodeOptions {
  ImageFormat format = ImageFormat::png;
  int quality = 95;           ///< JPEG (4:4:4) and WebP, 1 .. 100; WebP is lossless at 100
  int compression_level = 3;  ///< PNG, zlib level 0 .. 9
};

/// 8 bits a channel: round((clamp(x, -1, 1) + 1) * 127.5), half to even as torch.round does. Converts to the metadata's
/// ICC profile and embeds it; without one the pixels are sRGB and nothing is embedded. Text goes to tEXt (Latin-1) or
/// iTXt chunks of PNG; EXIF goes to all formats. JPEG and WebP have no PNG text: "parameters" goes into the EXIF user
/// comment (UNICODE, as A1111-style readers expect), and other text is dropped. JPEG has no alpha: it is laid over
/// white. Throws Error when the format cannot hold the size (WebP: 16383 a side).
std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options);

/// The 8-bit samples of (C, H, W) float32 in [-1, 1] as (H, W, C) uint8.
torch::Tensor to_uint8(const torch::Tensor& pixels);

}  // namespace fmboost
