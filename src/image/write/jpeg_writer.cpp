#include "image/write/jpeg_writer.h"

// jpeglib.h needs these before it.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// clang-format off
#include <jpeglib.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

constexpr std::string_view kExifMarker("Exif\0\0", 6);
constexpr std::string_view kXmpMarker("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::size_t kLargestMarker = 65533;

// libjpeg reports errors by a callback that must not return.
struct WriteErrors {
  jpeg_error_mgr base;  // first: libjpeg only accesses this member
  std::jmp_buf escape;
  std::array<char, JMSG_LENGTH_MAX> message;
};

void on_write_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<WriteErrors*>(info->err);
  errors->base.format_message(info, errors->message.data());
  std::longjmp(errors->escape, 1);
}

void set_density(jpeg_compress_struct& info, const PixelDensity& density) {
  constexpr UINT8 kPerInch = 1;
  const double factor = density.has_unit ? 1 : 1000 / std::max(density.x, density.y);
  const auto whole = [&](double value) {
    return static_cast<UINT16>(std::lround(std::clamp(value * factor, 1.0, 65535.0)));
  };
  info.density_unit = density.has_unit ? kPerInch : 0;
  info.X_density = whole(density.x);
  info.Y_density = whole(density.y);
}

void set_options(jpeg_compress_struct& info, const PixelRows& rows, const ImageMetadata& metadata,
                 const EncodeOptions& options) {
  info.image_width = static_cast<JDIMENSION>(rows.width());
  info.image_height = static_cast<JDIMENSION>(rows.height());
  info.input_components = static_cast<int>(rows.layout().channels());
  info.in_color_space = rows.layout().gray ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, options.quality, TRUE);
  for (int i = 0; i < info.num_components && !options.subsample_chroma; ++i) {  // 4:4:4; libjpeg's default is 4:2:0
    info.comp_info[i].h_samp_factor = 1;
    info.comp_info[i].v_samp_factor = 1;
  }
  info.optimize_coding = TRUE;
  if (metadata.density) {
    set_density(info, *metadata.density);
  }
}

void write_segment(jpeg_compress_struct& info, int code, std::string_view prefix, std::string_view data) {
  const std::string bytes = std::string(prefix) + std::string(data);
  jpeg_write_marker(&info, code, reinterpret_cast<const JOCTET*>(bytes.data()),
                    static_cast<unsigned int>(bytes.size()));
}

// Whether the data fit into one segment behind its prefix.
template <typename Data>
bool fits(const Data& data, std::string_view prefix) {
  return data.size() + prefix.size() <= kLargestMarker;
}

void write_segments(jpeg_compress_struct& info, const ImageMetadata& metadata) {
  if (!metadata.exif.empty() && fits(metadata.exif, kExifMarker)) {
    write_segment(info, JPEG_APP0 + 1, kExifMarker,
                  {reinterpret_cast<const char*>(metadata.exif.data()), metadata.exif.size()});
  }
  if (!metadata.xmp.empty() && fits(metadata.xmp, kXmpMarker)) {
    write_segment(info, JPEG_APP0 + 1, kXmpMarker, metadata.xmp);
  }
  for (const auto& [keyword, text] : metadata.text) {
    if (keyword == "Comment") {
      write_segment(info, JPEG_COM, "", std::string_view(text).substr(0, kLargestMarker));
    }
  }
  if (!metadata.icc_profile.empty()) {
    jpeg_write_icc_profile(&info, reinterpret_cast<const JOCTET*>(metadata.icc_profile.data()),
                           static_cast<unsigned int>(metadata.icc_profile.size()));
  }
}

void warn_of_large_metadata(const ImageMetadata& metadata) {
  if (!fits(metadata.exif, kExifMarker)) {
    log_warning("the EXIF data are too large for JPEG and are omitted");
  }
  if (!fits(metadata.xmp, kXmpMarker)) {
    log_warning("the XMP data are too large for JPEG and are omitted");
  }
}

struct JpegBuffer {
  unsigned char* data = nullptr;
  unsigned long size = 0;
  ~JpegBuffer() { std::free(data); }
};

// No object here may have a destructor: errors jump out of it.
bool compress(jpeg_compress_struct& info, WriteErrors& errors, const PixelRows& rows, const ImageMetadata& metadata,
              const EncodeOptions& options, std::vector<std::byte>& row, JpegBuffer& buffer) {
  if (setjmp(errors.escape) != 0) {
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &buffer.data, &buffer.size);
  set_options(info, rows, metadata, options);
  jpeg_start_compress(&info, TRUE);
  write_segments(info, metadata);
  while (info.next_scanline < info.image_height) {
    rows.read(info.next_scanline, 1, row.data());
    JSAMPROW samples = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &samples, 1);
  }
  jpeg_finish_compress(&info);
  return true;
}

}  // namespace

std::vector<std::byte> write_jpeg(const PixelRows& rows, const ImageMetadata& metadata, const EncodeOptions& options) {
  warn_of_large_metadata(metadata);
  jpeg_compress_struct info{};
  WriteErrors errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_write_error;
  errors.base.output_message = [](j_common_ptr) {};
  JpegBuffer buffer;
  std::vector<std::byte> row(rows.row_bytes());
  const bool good = compress(info, errors, rows, metadata, options, row, buffer);
  jpeg_destroy_compress(&info);
  if (!good) {
    throw Error(std::string("the JPEG could not be encoded: ") + errors.message.data());
  }
  return copy_bytes(buffer.data, buffer.size);
}

}  // namespace fmboost
