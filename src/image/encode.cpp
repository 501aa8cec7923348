#include "fmboost/image/encode.h"

#include <algorithm>
#include <cctype>

#include "fmboost/core/error.h"

#include "image/exif.h"
#include "image/write/jpeg_writer.h"
#include "image/write/pixel_rows.h"
#include "image/write/png_writer.h"
#include "image/write/tiff_writer.h"
#include "image/write/webp_writer.h"
#include "image/xmp.h"

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

// Formats without text chunks: our texts go into EXIF unless there is EXIF of a camera.
void move_texts_into_exif(ImageMetadata& metadata, bool with_density) {
  const ExifTexts texts{.comment = text_of(metadata, "parameters"), .description = text_of(metadata, "fmboost")};
  const bool adds_density = with_density && metadata.density && metadata.density->has_unit;
  if (metadata.exif.empty() && (adds_density || !(texts.comment.empty() && texts.description.empty()))) {
    metadata.exif = make_exif(texts, metadata.density);
  }
}

bool has_16_bits(const Image& image, const EncodeOptions& options) {
  const bool possible = options.format == ImageFormat::png || options.format == ImageFormat::tiff;
  const bool wanted =
      options.bit_depth == BitDepth::sixteen || (options.bit_depth == BitDepth::automatic && image.bit_depth > 8);
  return possible && wanted;
}

SampleLayout layout_of(const Image& image, const EncodeOptions& options) {
  SampleLayout layout;
  layout.gray = image.gray && options.format != ImageFormat::webp;
  layout.alpha = image.alpha.defined() && options.format != ImageFormat::jpeg;
  layout.over_white = image.alpha.defined() && options.format == ImageFormat::jpeg;
  layout.bits = has_16_bits(image, options) ? 16 : 8;
  layout.big_endian = options.format == ImageFormat::png;
  return layout;
}

// The metadata as they are written: agreeing with the image, and in the form that the format has for them.
ImageMetadata written_metadata(const Image& image, const EncodeOptions& options) {
  ImageMetadata metadata = image.metadata;
  const auto width = static_cast<std::uint32_t>(image.width());
  const auto height = static_cast<std::uint32_t>(image.height());
  update_exif(metadata.exif, width, height, metadata.density);
  update_xmp(metadata.xmp, width, height, metadata.density);
  if (options.format != ImageFormat::png) {
    move_texts_into_exif(metadata, /*with_density=*/options.format == ImageFormat::webp);
  }
  if (image.gray && options.format == ImageFormat::webp) {
    metadata.icc_profile.clear();  // a profile of gray values; sRGB is written instead
  }
  return metadata;
}

std::string format_name(ImageFormat format) {
  return format == ImageFormat::jpeg ? "JPEG" : format == ImageFormat::webp ? "WebP" : "TIFF";
}

// Texts that neither text chunks nor the EXIF made of texts hold.
std::vector<std::string> lost_texts(const Image& image, const EncodeOptions& options) {
  std::vector<std::string> lost;
  const bool makes_exif = image.metadata.exif.empty();
  for (const auto& [keyword, text] : image.metadata.text) {
    const bool kept = options.format == ImageFormat::png
                          ? is_png_text(keyword, text)
                          : (makes_exif && (keyword == "parameters" || keyword == "fmboost")) ||
                                (options.format == ImageFormat::jpeg && keyword == "Comment");
    if (!kept && !text.empty()) {
      lost.push_back("the text '" + keyword + "'");
    }
  }
  return lost;
}

void check(const EncodeOptions& options) {
  if (options.quality < 1 || options.quality > 100) {
    throw UsageError("`quality` must be from 1 to 100, got " + std::to_string(options.quality));
  }
  if (options.compression_level < 0 || options.compression_level > 9) {
    throw UsageError("`png_level` must be from 0 to 9, got " + std::to_string(options.compression_level));
  }
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
  if (suffix == ".tif" || suffix == ".tiff") {
    return ImageFormat::tiff;
  }
  throw UsageError("'" + file.string() +
                   "' does not have the suffix of an output format: use .png, .jpg, .webp or .tif");
}

torch::Tensor to_uint8(const torch::Tensor& pixels) {
  return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch::kUInt8).permute({1, 2, 0}).contiguous();
}

void check_format_size(ImageFormat format, std::int64_t width, std::int64_t height) {
  const std::int64_t limit = format == ImageFormat::jpeg ? 65500 : 16383;
  if ((format == ImageFormat::jpeg || format == ImageFormat::webp) && std::max(width, height) > limit) {
    throw Error(format_name(format) + " supports at most " + std::to_string(limit) +
                " pixels per side, and the image has " + std::to_string(width) + "x" + std::to_string(height) +
                "; write a PNG or TIFF");
  }
}

std::vector<std::string> lost_in_format(const Image& image, const EncodeOptions& options) {
  std::vector<std::string> lost;
  const ImageMetadata& metadata = image.metadata;
  const bool jpeg = options.format == ImageFormat::jpeg;
  const bool wants_16_bits =
      options.bit_depth == BitDepth::sixteen || (options.bit_depth == BitDepth::automatic && image.bit_depth > 8);
  if (wants_16_bits && !has_16_bits(image, options)) {
    lost.push_back("16 bits per sample");
  }
  if (jpeg && image.alpha.defined()) {
    lost.push_back("transparency");
  }
  lost.insert(lost.end(), metadata.not_kept.begin(), metadata.not_kept.end());
  for (auto& text : lost_texts(image, options)) {
    lost.push_back(std::move(text));
  }
  return lost;
}

std::vector<std::byte> encode_image(const Image& image, const EncodeOptions& options) {
  check(options);
  check_format_size(options.format, image.width(), image.height());
  Image written = image;
  written.metadata = written_metadata(image, options);
  const PixelRows rows(written, layout_of(image, options));
  switch (options.format) {
    case ImageFormat::png:
      return write_png(rows, written.metadata, options.compression_level);
    case ImageFormat::jpeg:
      return write_jpeg(rows, written.metadata, options);
    case ImageFormat::webp:
      return write_webp(rows, written.metadata, options.quality);
    case ImageFormat::tiff:
      return write_tiff(rows, written.metadata, options.compression_level);
  }
  throw Error("unknown image format");
}

}  // namespace fmboost
