#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <tiffio.h>

#include "fmboost/core/log.h"

#include "image/exif.h"
#include "image/read/raw_image.h"

namespace fmboost {
namespace {

/// A file in memory, for the callbacks of libtiff. The first message of an error is kept.
struct TiffSource {
  Bytes bytes;
  std::uint64_t position = 0;
  std::string message;
};

TiffSource& source_of(thandle_t handle) {
  return *static_cast<TiffSource*>(handle);
}

tmsize_t read_bytes(thandle_t handle, void* out, tmsize_t size) {
  TiffSource& source = source_of(handle);
  const std::uint64_t left = source.bytes.size() - std::min<std::uint64_t>(source.position, source.bytes.size());
  const auto count = std::min<std::uint64_t>(left, static_cast<std::uint64_t>(size));
  std::memcpy(out, source.bytes.data() + (source.bytes.size() - left), count);
  source.position += count;
  return static_cast<tmsize_t>(count);
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  TiffSource& source = source_of(handle);
  const std::uint64_t base = whence == SEEK_CUR ? source.position : whence == SEEK_END ? source.bytes.size() : 0;
  return source.position = base + offset;
}

int map_bytes(thandle_t handle, void** base, toff_t* size) {
  const TiffSource& source = source_of(handle);
  *base = const_cast<std::byte*>(source.bytes.data());
  *size = source.bytes.size();
  return 1;
}

// Messages of libtiff have no handle of ours in version 4.4, so they are kept per thread.
thread_local TiffSource* current_source = nullptr;

void keep_message(const char*, const char* format, va_list arguments) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  if (current_source != nullptr && current_source->message.empty()) {
    current_source->message = text.data();
  }
}

using Tiff = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

Tiff open_tiff(TiffSource& source) {
  static const bool kQuiet = [] {
    TIFFSetErrorHandler(keep_message);
    TIFFSetWarningHandler(nullptr);
    return true;
  }();
  static_cast<void>(kQuiet);
  current_source = &source;
  const auto no_write = [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; };
  const auto no_close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) -> toff_t { return source_of(handle).bytes.size(); };
  const auto no_unmap = [](thandle_t, void*, toff_t) {};
  return {TIFFClientOpen("image", "r", &source, read_bytes, no_write, seek, no_close, size, map_bytes, no_unmap),
          &TIFFClose};
}

template <typename Value>
Value tiff_field(TIFF* tiff, std::uint32_t tag, Value otherwise) {
  Value value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : otherwise;
}

struct TiffLayout {
  std::int64_t width = 0, height = 0;
  int channels = 1;
  int bits = 1;
  int sample_format = SAMPLEFORMAT_UINT;
  int photometric = PHOTOMETRIC_MINISBLACK;
  bool planar = false;
  int alpha = -1;  ///< index of the channel
  bool premultiplied = false;
  int colors = 1;
};

int color_count(int photometric) {
  switch (photometric) {
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
      return 3;
    case PHOTOMETRIC_SEPARATED:
      return 4;
    default:
      return 1;
  }
}

TiffLayout read_layout(TIFF* tiff) {
  TiffLayout layout;
  layout.width = tiff_field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  layout.height = tiff_field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  layout.channels = tiff_field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  layout.bits = tiff_field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  layout.sample_format = tiff_field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  layout.photometric = tiff_field<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC,
                                                 layout.channels >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
  layout.planar = tiff_field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  layout.colors = color_count(layout.photometric);
  std::uint16_t count = 0;
  const std::uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) == 1) {
    for (int i = 0; i < count && layout.alpha < 0; ++i) {
      if (kinds[i] == EXTRASAMPLE_ASSOCALPHA || kinds[i] == EXTRASAMPLE_UNASSALPHA) {
        layout.alpha = layout.colors + i;
        layout.premultiplied = kinds[i] == EXTRASAMPLE_ASSOCALPHA;
      }
    }
  }
  return layout;
}

// Why the samples cannot be read; empty if they can.
std::string unsupported(const TiffLayout& layout) {
  const bool is_float = layout.sample_format == SAMPLEFORMAT_IEEEFP;
  if (layout.sample_format != SAMPLEFORMAT_UINT && layout.sample_format != SAMPLEFORMAT_VOID && !is_float) {
    return "signed or complex samples";
  }
  if (is_float ? layout.bits != 16 && layout.bits != 32 && layout.bits != 64 : layout.bits < 1 || layout.bits > 32) {
    return std::to_string(layout.bits) + " bits per sample";
  }
  constexpr std::array kPhotometrics{PHOTOMETRIC_MINISWHITE, PHOTOMETRIC_MINISBLACK, PHOTOMETRIC_RGB,
                                     PHOTOMETRIC_PALETTE,    PHOTOMETRIC_SEPARATED,  PHOTOMETRIC_YCBCR};
  if (std::find(kPhotometrics.begin(), kPhotometrics.end(), layout.photometric) == kPhotometrics.end()) {
    return "the color space " + std::to_string(layout.photometric) + " (photometric interpretation)";
  }
  if (layout.channels < layout.colors || layout.channels > 64 || layout.alpha >= layout.channels) {
    return std::to_string(layout.channels) + " channels";
  }
  return "";
}

// The sample of this position in a row of a block. Samples of 8, 16, 32 and 64 bits are in the machine's byte order,
// others are packed from the highest bit on.
double sample_at(const std::byte* row, std::size_t index, const TiffLayout& layout) {
  const auto load = [&]<typename Value>(Value value) {
    std::memcpy(&value, row + index * sizeof(Value), sizeof(Value));
    return value;
  };
  if (layout.sample_format == SAMPLEFORMAT_IEEEFP) {
    switch (layout.bits) {
      case 16:
        return static_cast<float>(c10::Half(load(std::uint16_t{0}), c10::Half::from_bits()));
      case 32:
        return load(float{0});
      default:
        return load(double{0});
    }
  }
  switch (layout.bits) {
    case 8:
      return load(std::uint8_t{0});
    case 16:
      return load(std::uint16_t{0});
    case 32:
      return load(std::uint32_t{0});
    default: {
      std::uint64_t value = 0;
      for (std::size_t bit = index * static_cast<std::size_t>(layout.bits), i = 0;
           i < static_cast<std::size_t>(layout.bits); ++i, ++bit) {
        value = value << 1 | (std::to_integer<std::uint64_t>(row[bit / 8]) >> (7 - bit % 8) & 1U);
      }
      return static_cast<double>(value);
    }
  }
}

/// Reads the samples block by block: strips, or tiles.
class TiffSamples {
 public:
  TiffSamples(TIFF* tiff, const TiffLayout& layout, const std::string& name, const TiffSource& source)
      : tiff_(tiff), layout_(layout), name_(name), source_(source) {
    const bool is_float = layout.sample_format == SAMPLEFORMAT_IEEEFP;
    deep_ = layout.bits > 8;
    const bool exact = !is_float && layout.bits <= 16;
    maximum_ = exact ? static_cast<double>((std::uint64_t{1} << layout.bits) - 1) : 65535;
    scale_ = is_float ? 65535 : exact ? 1 : 65535 / static_cast<double>((std::uint64_t{1} << layout.bits) - 1);
  }

  double maximum() const { return maximum_; }
  /// Whether floating-point samples were clipped to 0 .. 1.
  bool clipped() const { return clipped_; }

  /// (H, W, channels), int32 or uint8.
  torch::Tensor read() {
    samples_ = torch::empty({layout_.height, layout_.width, layout_.channels}, deep_ ? torch::kInt32 : torch::kUInt8);
    const int planes = layout_.planar ? layout_.channels : 1;
    for (int plane = 0; plane < planes; ++plane) {
      TIFFIsTiled(tiff_) != 0 ? read_tiles(plane) : read_strips(plane);
    }
    return samples_;
  }

 private:
  int channels_in_block() const { return layout_.planar ? 1 : layout_.channels; }
  std::size_t row_bytes(std::int64_t width) const {
    return (static_cast<std::size_t>(width * channels_in_block()) * static_cast<std::size_t>(layout_.bits) + 7) / 8;
  }
  void require(bool good) const {
    if (!good) {
      fail_decoding(name_, "is a damaged or truncated TIFF: " +
                               (source_.message.empty() ? std::string("its pixels end early") : source_.message));
    }
  }

  void read_strips(int plane) {
    std::uint32_t rows =
        tiff_field<std::uint32_t>(tiff_, TIFFTAG_ROWSPERSTRIP, std::numeric_limits<std::uint32_t>::max());
    rows = static_cast<std::uint32_t>(std::min<std::int64_t>(std::max(rows, 1U), layout_.height));
    const std::size_t stride = row_bytes(layout_.width);
    std::vector<std::byte> block(stride * rows);
    for (std::int64_t top = 0; top < layout_.height; top += rows) {
      const std::int64_t count = std::min<std::int64_t>(rows, layout_.height - top);
      const std::uint32_t strip =
          TIFFComputeStrip(tiff_, static_cast<std::uint32_t>(top), static_cast<std::uint16_t>(plane));
      const auto needed = static_cast<tmsize_t>(stride * static_cast<std::size_t>(count));
      require(TIFFReadEncodedStrip(tiff_, strip, block.data(), needed) == needed);
      copy(block, stride, plane, top, count, 0, layout_.width);
    }
  }

  void read_tiles(int plane) {
    const auto width = static_cast<std::int64_t>(tiff_field<std::uint32_t>(tiff_, TIFFTAG_TILEWIDTH, 0));
    const auto height = static_cast<std::int64_t>(tiff_field<std::uint32_t>(tiff_, TIFFTAG_TILELENGTH, 0));
    constexpr std::int64_t kLargestTile = 1 << 15;
    require(width > 0 && height > 0 && width <= kLargestTile && height <= kLargestTile);
    const std::size_t stride = row_bytes(width);
    std::vector<std::byte> block(stride * static_cast<std::size_t>(height));
    for (std::int64_t top = 0; top < layout_.height; top += height) {
      for (std::int64_t left = 0; left < layout_.width; left += width) {
        const std::uint32_t tile =
            TIFFComputeTile(tiff_, static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(top), 0,
                            static_cast<std::uint16_t>(plane));
        const auto size = static_cast<tmsize_t>(block.size());
        require(TIFFReadEncodedTile(tiff_, tile, block.data(), size) == size);
        copy(block, stride, plane, top, std::min(height, layout_.height - top), left,
             std::min(width, layout_.width - left));
      }
    }
  }

  // Copies `rows` x `columns` pixels of a block to the position (top, left).
  void copy(const std::vector<std::byte>& block, std::size_t stride, int plane, std::int64_t top, std::int64_t rows,
            std::int64_t left, std::int64_t columns) {
    deep_ ? copy_as<std::int32_t>(block, stride, plane, top, rows, left, columns)
          : copy_as<std::uint8_t>(block, stride, plane, top, rows, left, columns);
  }
  template <typename Sample>
  void copy_as(const std::vector<std::byte>& block, std::size_t stride, int plane, std::int64_t top, std::int64_t rows,
               std::int64_t left, std::int64_t columns) {
    auto* samples = samples_.data_ptr<Sample>();
    const std::int64_t channels = channels_in_block();
    for (std::int64_t y = 0; y < rows; ++y) {
      const std::byte* row = block.data() + static_cast<std::size_t>(y) * stride;
      for (std::int64_t i = 0; i < columns * channels; ++i) {
        const double value = sample_at(row, static_cast<std::size_t>(i), layout_) * scale_;
        const std::int64_t pixel = (top + y) * layout_.width + left + i / channels;
        samples[pixel * layout_.channels + plane + i % channels] = static_cast<Sample>(within_range(value));
      }
    }
  }
  double within_range(double value) {
    const bool within = value >= 0 && value <= maximum_ + 0.5;
    clipped_ = clipped_ || !within;
    return value >= 0 ? std::min(std::nearbyint(value), maximum_) : 0;  // NaN becomes 0
  }

  TIFF* tiff_;
  const TiffLayout& layout_;
  const std::string& name_;
  const TiffSource& source_;
  bool deep_ = false;
  bool clipped_ = false;
  double maximum_ = 255;
  double scale_ = 1;
  torch::Tensor samples_;
};

// Samples of a palette, whose colors have 16 bits; many writers store 8.
void apply_palette(TIFF* tiff, RawImage& image, int bits, const std::string& name) {
  std::array<std::uint16_t*, 3> maps{};
  if (bits > 8 || TIFFGetField(tiff, TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]) != 1) {
    fail_decoding(name, "is a damaged TIFF: its palette is missing");
  }
  const std::int64_t entries = std::int64_t{1} << bits;
  const torch::Tensor colors = torch::empty({entries, 3}, torch::kInt32);
  bool wide = false;
  for (std::int64_t i = 0; i < entries; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      colors[i][static_cast<std::int64_t>(c)] = static_cast<int>(maps[c][i]);
      wide = wide || maps[c][i] > 255;
    }
  }
  const torch::Tensor bytes = (wide ? colors.div(256, "trunc") : colors).to(torch::kUInt8);
  const torch::Tensor indices = image.samples.select(2, 0).to(torch::kInt64);
  image.samples = bytes.index({indices}).contiguous();
  image.model = ColorModel::rgb;
  image.maximum = 255;
  keep_gray_palette(image);
}

void divide_by_alpha(RawImage& image) {
  const torch::Tensor alpha = image.alpha.to(torch::kFloat32).unsqueeze(2);
  const torch::Tensor colors = image.samples.to(torch::kFloat32) * image.maximum / alpha.clamp_min(1);
  image.samples = colors.round().clamp(0, image.maximum).to(image.samples.scalar_type());
}

void read_tiff_metadata(TIFF* tiff, Bytes bytes, RawImage& image) {
  const void* data = nullptr;
  std::uint32_t size = 0;
  if (TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &size, &data) == 1) {
    image.metadata.icc_profile = copy_bytes(data, size);
  }
  if (TIFFGetField(tiff, TIFFTAG_XMLPACKET, &size, &data) == 1) {
    image.metadata.xmp.assign(static_cast<const char*>(data), size);
  }
  const auto x = tiff_field<float>(tiff, TIFFTAG_XRESOLUTION, 0);
  const auto y = tiff_field<float>(tiff, TIFFTAG_YRESOLUTION, 0);
  const auto unit = tiff_field<std::uint16_t>(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_INCH);
  if (x > 0 && y > 0 && (unit != RESUNIT_NONE || x != y)) {
    const double factor = unit == RESUNIT_CENTIMETER ? 2.54 : 1;
    image.metadata.density = PixelDensity{x * factor, y * factor, unit != RESUNIT_NONE};
  }
  image.metadata.exif = exif_of_tiff(bytes);
  image.orientation = tiff_field<std::uint16_t>(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  std::uint32_t photoshop = 0;
  if (TIFFGetField(tiff, TIFFTAG_PHOTOSHOP, &photoshop, &data) == 1) {
    image.metadata.not_kept.emplace_back("IPTC and Photoshop data");
  }
}

// Raw photographs are TIFF files whose first page is a small preview: DNG, CR2, NEF, ARW and others.
bool is_raw_photograph(TIFF* tiff) {
  constexpr int kColorFilterArray = 32803;
  constexpr int kLinearRaw = 34892;
  const std::uint8_t* version = nullptr;
  const int photometric = tiff_field<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  const auto kind = tiff_field<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0);
  std::uint16_t pages = 0;
  const void* others = nullptr;
  const bool has_more = TIFFGetField(tiff, TIFFTAG_SUBIFD, &pages, &others) == 1;
  return TIFFGetField(tiff, TIFFTAG_DNGVERSION, &version) == 1 || photometric == kColorFilterArray ||
         photometric == kLinearRaw || ((kind & FILETYPE_REDUCEDIMAGE) != 0 && has_more);
}

void split_tiff_channels(const torch::Tensor& samples, const TiffLayout& layout, RawImage& image) {
  image.model = layout.colors == 1 ? ColorModel::gray : layout.colors == 4 ? ColorModel::cmyk : ColorModel::rgb;
  image.samples = samples.slice(2, 0, layout.colors).contiguous();
  if (layout.alpha >= 0) {
    image.alpha = samples.select(2, layout.alpha).contiguous();
  }
  const int known = layout.colors + (layout.alpha >= 0 ? 1 : 0);
  if (layout.channels > known) {
    image.metadata.not_kept.push_back(std::to_string(layout.channels - known) + " further channels");
  }
  if (layout.photometric == PHOTOMETRIC_MINISWHITE) {
    image.samples = (image.maximum - image.samples.to(torch::kInt32)).to(image.samples.scalar_type());
  }
  if (layout.premultiplied && layout.alpha >= 0) {
    divide_by_alpha(image);
  }
}

}  // namespace

bool is_tiff(Bytes bytes) {
  return starts_with(bytes, {"II*\0", 4}) || starts_with(bytes, {"MM\0*", 4}) || starts_with(bytes, {"II+\0", 4}) ||
         starts_with(bytes, {"MM\0+", 4});
}

RawImage decode_tiff(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  if (starts_with(bytes, "CR", 8)) {
    fail_decoding(name, kRawPhotograph);
  }
  TiffSource source{bytes, 0, {}};
  const Tiff tiff = open_tiff(source);
  if (!tiff) {
    fail_decoding(name, "is a damaged TIFF" + (source.message.empty() ? std::string() : ": " + source.message));
  }
  TiffLayout layout = read_layout(tiff.get());
  check_dimensions(layout.width, layout.height, limits, name);
  if (is_raw_photograph(tiff.get())) {
    fail_decoding(name, kRawPhotograph);
  }
  if (const std::string what = unsupported(layout); !what.empty()) {
    fail_decoding(name, "is a TIFF with " + what + ", which is not supported; convert it to PNG");
  }
  const auto compression = tiff_field<std::uint16_t>(tiff.get(), TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  if (TIFFIsCODECConfigured(compression) == 0) {
    fail_decoding(name, "is a TIFF with the compression " + std::to_string(compression) +
                            ", which is not supported; convert it to PNG");
  }
  if (layout.photometric == PHOTOMETRIC_YCBCR) {
    if (compression != COMPRESSION_JPEG) {
      fail_decoding(name, "is a TIFF with YCbCr colors that are not JPEG, which is not supported; convert it to PNG");
    }
    TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  RawImage image;
  image.format = "tiff";
  TiffSamples samples(tiff.get(), layout, name, source);
  const torch::Tensor all = samples.read();
  image.maximum = samples.maximum();
  if (samples.clipped()) {
    log_warning("'" + name + "' has samples below 0, above 1 or not a number; they are clipped to 0 .. 1");
  }
  split_tiff_channels(all, layout, image);
  if (layout.photometric == PHOTOMETRIC_PALETTE) {
    apply_palette(tiff.get(), image, layout.bits, name);
  }
  read_tiff_metadata(tiff.get(), bytes, image);
  if (layout.bits > 16) {
    image.metadata.not_kept.push_back(std::to_string(layout.bits) + " bits per sample (16 are kept)");
  }
  if (TIFFNumberOfDirectories(tiff.get()) > 1) {
    log_warning("'" + name + "' has several pages; only the first one is used");
  }
  return image;
}

}  // namespace fmboost
