#include "fmboost/image/encode.h"

#include <algorithm>
#include <cctype>

#include "fmboost/core/error.h"

#include "image/color_profile.h"
#include "image/exif.h"
#include "image/raw_image.h"

namespace fmboost {
namespace {

std::string text_of(const ImageMetadata& metadata, const std::string& keyword) {
  for (const auto& [key, text] : metadata.text) {
    if (key == keyword) {
      return text;
    }
  }
  return {};
}

// JPEG and WebP have no text chunks; our texts go into EXIF unless there is EXIF of a camera.
void move_texts_into_exif(ImageMetadata& metadata) {
  const ExifTexts texts{.comment = text_of(metadata, "parameters"), .description = text_of(metadata, "fmboost")};
  if (metadata.exif.empty() && !(texts.comment.empty() && texts.description.empty())) {
    metadata.exif = make_exif(texts);
  }
}

void check(const EncodeOptions& options) {
  if (options.quality < 1 || options.quality > 100) {
    throw UsageError("`quality` must be from 1 to 100, got " + std::to_string(options.quality));
  }
  if (options.compression_level < 0 || options.compression_level > 9) {
    throw UsageError("the compression level of PNG must be from 0 to 9, got " +
                     std::to_string(options.compression_level));
  }
}

torch::Tensor over_white(const torch::Tensor& pixels, const torch::Tensor& alpha) {
  return pixels * alpha + (1 - alpha);
}

}  // namespace

ImageFormat image_format_from_suffix(const std::filesystem::path& file) {
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (suffix == ".png") {
    return ImageFormat::png;
  }
  if (suffix == ".jpg" || suffix == ".jpeg") {
    return ImageFormat::jpeg;
  }
  if (suffix == ".webp") {
    return ImageFormat::webp;
  }
  throw UsageError("'" + file.string() + "' does not have the suffix of an output format: use .png, .jpg or .webp");
}

torch::Tensor to_uint8(const torch::Tensor& pixels) {
  return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch::kUInt8).permute({1, 2, 0}).contiguous();
}

std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options) {
  check(options);
  PackedImage packed;
  packed.metadata = image.metadata;
  torch::Tensor pixels = image.pixels.to(torch::kCPU, torch::kFloat32);
  if (!image.metadata.icc_profile.empty()) {
    const torch::Tensor shares = ((pixels + 1) / 2).permute({1, 2, 0});
    pixels = (from_srgb(shares, image.metadata.icc_profile) * 2 - 1).permute({2, 0, 1});
  }
  const bool keeps_alpha = image.alpha.defined() && options.format != ImageFormat::jpeg;
  if (image.alpha.defined() && !keeps_alpha) {
    pixels = over_white(pixels, image.alpha);
  }
  packed.samples = to_uint8(keeps_alpha ? torch::cat({pixels, image.alpha * 2 - 1}) : pixels);
  if (options.format == ImageFormat::png) {
    return encode_png(packed, options.compression_level);
  }
  move_texts_into_exif(packed.metadata);
  return options.format == ImageFormat::jpeg ? encode_jpeg(packed, options.quality, options.subsample_chroma)
                                             : encode_webp(packed, options.quality);
}

}  // namespace fmboost
