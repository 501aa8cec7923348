// jpeglib.h needs these before it.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "image/latin1.h"
#include "image/read/raw_image.h"
#include "image/utf16.h"

namespace fmboost {
namespace {

constexpr std::string_view kExifPrefix("Exif\0\0", 6);
constexpr std::string_view kXmpPrefix("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::string_view kExtendedXmpPrefix("http://ns.adobe.com/xmp/extension/\0", 35);
constexpr std::string_view kMultiPicturePrefix("MPF\0", 4);
constexpr std::string_view kPhotoshopPrefix("Photoshop 3.0\0", 14);
constexpr std::string_view kIccPrefix("ICC_PROFILE\0", 12);

// libjpeg reports errors by a callback that must not return.
struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg only accesses this member
  std::jmp_buf escape;
  std::array<char, JMSG_LENGTH_MAX> message;
  bool ends_early;  ///< the file has no end marker
};

void on_error(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message.data());
  std::longjmp(manager->escape, 1);
}

// Damage that libjpeg would replace by gray is an error here; other warnings are harmless. A file that ends without the
// marker for it lacks image data only if the decoder asks for more of them, which it reports as JWRN_HIT_MARKER.
void on_message(j_common_ptr info, int level) {
  constexpr std::array kDamage{JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC};
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
    reinterpret_cast<ErrorManager*>(info->err)->ends_early = true;
  } else if (level < 0 && std::find(kDamage.begin(), kDamage.end(), info->err->msg_code) != kDamage.end()) {
    on_error(info);
  }
}

// A small hostile file can have any number of scans, each of which takes as long as the whole image.
void limit_scans(j_common_ptr info) {
  constexpr int kMaxScans = 500;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
    auto* manager = reinterpret_cast<ErrorManager*>(info->err);
    std::snprintf(manager->message.data(), manager->message.size(), "it has more than %d scans", kMaxScans);
    std::longjmp(manager->escape, 1);
  }
}

void set_up_errors(ErrorManager& manager, jpeg_error_mgr*& slot) {
  slot = jpeg_std_error(&manager.base);
  manager.base.error_exit = on_error;
  manager.base.emit_message = on_message;
  manager.base.output_message = [](j_common_ptr) {};
}

// Reads one image; every call into libjpeg is guarded by setjmp in a function without destructors of its own.
class Reader {
 public:
  explicit Reader(Bytes bytes) {
    set_up_errors(errors_, info_.err);
    created_ = guarded([&] {
      jpeg_create_decompress(&info_);
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      for (const int code : {JPEG_APP0 + 1, JPEG_APP0 + 2, JPEG_APP0 + 13, JPEG_COM}) {
        jpeg_save_markers(&info_, code, 0xffff);
      }
    });
  }
  ~Reader() { jpeg_destroy_decompress(&info_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool read_header() {
    return created_ && guarded([&] { jpeg_read_header(&info_, TRUE); });
  }
  bool start(J_COLOR_SPACE space) {
    info_.out_color_space = space;
    info_.dct_method = JDCT_ISLOW;
    progress_.progress_monitor = limit_scans;
    info_.progress = &progress_;
    return guarded([&] { jpeg_start_decompress(&info_); });
  }
  bool read_rows(unsigned char* out, std::size_t stride) {
    return guarded([&] {
      while (info_.output_scanline < info_.output_height) {
        JSAMPROW row = out + stride * info_.output_scanline;
        jpeg_read_scanlines(&info_, &row, 1);
      }
      jpeg_finish_decompress(&info_);
    });
  }
  const jpeg_decompress_struct& info() const { return info_; }
  bool ends_early() const { return errors_.ends_early; }
  /// What is wrong with the file, after a failure.
  std::string failure() const {
    const int code = errors_.base.msg_code;
    if (code == JERR_BAD_PRECISION && info_.data_precision > 8) {
      return "is a JPEG of " + std::to_string(info_.data_precision) +
             " bits per sample, which is not supported; convert it to PNG or TIFF";
    }
    if (code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION) {
      return "is a lossless or hierarchical JPEG, which is not supported; convert it to PNG";
    }
    return std::string("is a damaged or truncated JPEG: ") + errors_.message.data();
  }
  /// Whether every bit of every coefficient has been read. Baseline images in a single scan have no other way.
  bool has_all_scans() const {
    if (info_.coef_bits == nullptr) {
      return info_.comps_in_scan == info_.num_components;
    }
    for (int component = 0; component < info_.num_components; ++component) {
      const auto& bits = info_.coef_bits[component];
      if (std::any_of(std::begin(bits), std::end(bits), [](int left) { return left != 0; })) {
        return false;
      }
    }
    return true;
  }

 private:
  template <typename Work>
  bool guarded(const Work& work) {
    if (setjmp(errors_.escape) != 0) {
      return false;
    }
    work();
    return true;
  }

  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  ErrorManager errors_{};
  bool created_ = false;
};

bool has_prefix(const jpeg_marker_struct* marker, int code, std::string_view prefix) {
  return marker->marker == code && marker->data_length > prefix.size() &&
         std::memcmp(marker->data, prefix.data(), prefix.size()) == 0;
}

// The profile may be split into numbered segments, in any order: ICC.1:2010, annex B.4.
std::vector<std::byte> join_profile(const jpeg_decompress_struct& info) {
  std::array<const jpeg_marker_struct*, 256> segments{};
  std::size_t count = 0;
  for (const auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    if (has_prefix(marker, JPEG_APP0 + 2, kIccPrefix) && marker->data_length > kIccPrefix.size() + 2) {
      segments[marker->data[kIccPrefix.size()]] = marker;
      count = marker->data[kIccPrefix.size() + 1];
    }
  }
  std::vector<std::byte> profile;
  for (std::size_t i = 1; i <= count; ++i) {
    if (segments[i] == nullptr) {
      return {};
    }
    const std::size_t skip = kIccPrefix.size() + 2;
    const auto segment = copy_bytes(segments[i]->data + skip, segments[i]->data_length - skip);
    profile.insert(profile.end(), segment.begin(), segment.end());
  }
  return profile;
}

std::string_view data_of(const jpeg_marker_struct* marker, std::size_t skip = 0) {
  return {reinterpret_cast<const char*>(marker->data) + skip, marker->data_length - skip};
}

void add_not_kept(ImageMetadata& metadata, const std::string& what) {
  if (std::find(metadata.not_kept.begin(), metadata.not_kept.end(), what) == metadata.not_kept.end()) {
    metadata.not_kept.push_back(what);
  }
}

void read_marker(const jpeg_marker_struct* marker, ImageMetadata& metadata) {
  if (has_prefix(marker, JPEG_APP0 + 1, kExifPrefix) && metadata.exif.empty()) {
    const std::string_view exif = data_of(marker, kExifPrefix.size());
    metadata.exif = copy_bytes(exif.data(), exif.size());
  } else if (has_prefix(marker, JPEG_APP0 + 1, kXmpPrefix) && metadata.xmp.empty()) {
    metadata.xmp = data_of(marker, kXmpPrefix.size());
  } else if (has_prefix(marker, JPEG_APP0 + 1, kExtendedXmpPrefix)) {
    add_not_kept(metadata, "the extended part of its XMP data");
  } else if (has_prefix(marker, JPEG_APP0 + 2, kMultiPicturePrefix)) {
    add_not_kept(metadata, "the further images of its multi-picture format");
  } else if (has_prefix(marker, JPEG_APP0 + 13, kPhotoshopPrefix)) {
    add_not_kept(metadata, "IPTC and Photoshop data");
  } else if (marker->marker == JPEG_COM && marker->data_length > 0) {
    std::string text(data_of(marker));
    text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
    metadata.text.emplace_back("Comment", is_utf8(text) ? text : latin1_to_utf8(text));
  }
}

// That of JFIF, whose usual value without a unit says nothing.
std::optional<PixelDensity> jfif_density(const jpeg_decompress_struct& info) {
  constexpr UINT8 kPerCentimeter = 2;
  const bool known = info.saw_JFIF_marker != 0 && info.X_density > 0 && info.Y_density > 0 &&
                     info.density_unit <= kPerCentimeter &&
                     (info.density_unit != 0 || info.X_density != info.Y_density);
  const double factor = info.density_unit == kPerCentimeter ? 2.54 : 1;
  return known ? std::optional(PixelDensity{info.X_density * factor, info.Y_density * factor, info.density_unit != 0})
               : std::nullopt;
}

bool has_profile(const jpeg_decompress_struct& info) {
  for (const auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    if (has_prefix(marker, JPEG_APP0 + 2, kIccPrefix)) {
      return true;
    }
  }
  return false;
}

void read_metadata(const jpeg_decompress_struct& info, const std::string& name, ImageMetadata& metadata) {
  for (const auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    read_marker(marker, metadata);
  }
  metadata.icc_profile = join_profile(info);
  if (metadata.icc_profile.empty() && has_profile(info)) {
    log_warning("'" + name + "' has an incomplete color profile; its colors are taken for sRGB");
  }
  metadata.density = jfif_density(info);
}

}  // namespace

ImageMetadata read_jpeg_metadata(Bytes bytes, const std::string& name) {
  Reader reader(bytes);
  if (!reader.read_header()) {
    fail_decoding(name, reader.failure());
  }
  ImageMetadata metadata;
  read_metadata(reader.info(), name, metadata);
  return metadata;
}

RawImage decode_jpeg(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  Reader reader(bytes);
  const auto require = [&](bool good) {
    if (!good) {
      fail_decoding(name, reader.failure());
    }
  };
  require(reader.read_header());
  const auto& info = reader.info();
  check_dimensions(info.image_width, info.image_height, limits, name);
  RawImage image;
  image.format = "jpeg";
  read_metadata(info, name, image.metadata);  // the markers are freed after reading the image
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  const bool gray = info.jpeg_color_space == JCS_GRAYSCALE;
  image.model = cmyk ? ColorModel::cmyk : gray ? ColorModel::gray : ColorModel::rgb;
  require(reader.start(cmyk ? JCS_CMYK : gray ? JCS_GRAYSCALE : JCS_RGB));
  const std::int64_t channels = cmyk ? 4 : gray ? 1 : 3;
  image.samples = torch::empty({info.output_height, info.output_width, channels}, torch::kUInt8);
  require(
      reader.read_rows(image.samples.data_ptr<std::uint8_t>(), static_cast<std::size_t>(info.output_width * channels)));
  if (cmyk) {  // stored inverted, as Adobe does; other programs rely on that even without Adobe's marker
    image.samples = 255 - image.samples;
  }
  if (reader.ends_early()) {
    if (!reader.has_all_scans()) {
      fail_decoding(name, "is a truncated JPEG: some of its scans are missing");
    }
    log_warning("'" + name + "' ends early; all of its rows are there");
  }
  return image;
}

}  // namespace fmboost
