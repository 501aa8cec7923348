#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

/// Values of the field biCompression.
enum class BmpCompression : std::uint32_t {
  none = 0,
  rle8 = 1,
  rle4 = 2,
  bit_fields = 3,
  jpeg = 4,
  png = 5,
  alpha_bit_fields = 6
};

constexpr std::size_t kFileHeader = 14;
constexpr std::size_t kCoreHeader = 12;  // OS/2 1.x

/// The headers of a BMP: https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types.
struct BmpHeader {
  std::int64_t width = 0, height = 0;
  bool top_down = false;
  int bits = 0;
  BmpCompression compression = BmpCompression::none;
  std::array<std::uint32_t, 4> masks{};  ///< red, green, blue, alpha; 0: no such channel
  std::vector<std::array<std::uint8_t, 3>> palette;
  std::size_t pixels = 0;  ///< where the samples start
};

class BmpBytes {
 public:
  BmpBytes(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::size_t size() const { return bytes_.size(); }
  std::uint32_t u8(std::size_t at) const {
    if (at >= bytes_.size()) {
      fail_decoding(name_, "is a truncated BMP");
    }
    return std::to_integer<std::uint32_t>(bytes_[at]);
  }
  std::uint32_t u16(std::size_t at) const { return u8(at) | u8(at + 1) << 8; }
  std::uint32_t u32(std::size_t at) const { return u16(at) | u16(at + 2) << 16; }
  std::int32_t i32(std::size_t at) const { return static_cast<std::int32_t>(u32(at)); }
  Bytes span(std::size_t at, std::size_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at ? bytes_.subspan(at, size) : Bytes();
  }
  [[noreturn]] void fail(const std::string& what) const { fail_decoding(name_, what); }

 private:
  Bytes bytes_;
  const std::string& name_;
};

void check_kind(const BmpBytes& file, std::uint32_t compression, int bits) {
  constexpr std::array kDepths{1, 2, 4, 8, 16, 24, 32};
  if (compression == static_cast<std::uint32_t>(BmpCompression::jpeg) ||
      compression == static_cast<std::uint32_t>(BmpCompression::png)) {
    file.fail("is a BMP that contains a JPEG or PNG, which is not supported; convert it to PNG");
  }
  if (compression > static_cast<std::uint32_t>(BmpCompression::alpha_bit_fields)) {
    file.fail("is a BMP with the unknown compression " + std::to_string(compression));
  }
  const auto kind = static_cast<BmpCompression>(compression);
  const bool fields = kind == BmpCompression::bit_fields || kind == BmpCompression::alpha_bit_fields;
  const bool fits = (kind == BmpCompression::rle8 && bits == 8) || (kind == BmpCompression::rle4 && bits == 4) ||
                    (fields && (bits == 16 || bits == 32)) ||
                    (kind == BmpCompression::none && std::find(kDepths.begin(), kDepths.end(), bits) != kDepths.end());
  if (!fits) {
    file.fail("is a BMP of " + std::to_string(bits) + " bits per pixel with compression " +
              std::to_string(compression) + ", which is not supported; convert it to PNG");
  }
}

// Returns where the masks end, if they follow the header.
std::size_t read_masks(const BmpBytes& file, std::size_t header_size, BmpHeader& header) {
  constexpr std::size_t kInfoHeader = 40;
  const std::size_t masks = kFileHeader + kInfoHeader;
  const bool fields =
      header.compression == BmpCompression::bit_fields || header.compression == BmpCompression::alpha_bit_fields;
  std::size_t end = kFileHeader + header_size;
  if (fields) {
    const bool with_alpha = header_size >= 56 || header.compression == BmpCompression::alpha_bit_fields;
    for (std::size_t i = 0; i < (with_alpha ? 4U : 3U); ++i) {
      header.masks[i] = file.u32(masks + 4 * i);
    }
    end = std::max(end, masks + (with_alpha ? 16 : 12));
  } else if (header.bits == 16) {
    header.masks = {0x7c00, 0x03e0, 0x001f, 0};
  } else {
    header.masks = {0xff0000, 0xff00, 0xff, 0};
  }
  for (const std::uint32_t mask : header.masks) {
    const std::uint32_t low = mask & (~mask + 1);
    if (mask != 0 && !std::has_single_bit(static_cast<std::uint64_t>(mask / low) + 1)) {
      file.fail("is a damaged BMP: its color masks have gaps");
    }
  }
  return end;
}

void read_palette(const BmpBytes& file, std::size_t at, std::size_t entry, std::size_t colors, BmpHeader& header) {
  if (header.bits > 8) {
    return;
  }
  const std::size_t most = std::size_t{1} << header.bits;
  const std::size_t room = header.pixels > at ? (header.pixels - at) / entry : 0;
  const std::size_t count = std::min({colors == 0 ? most : colors, most, room});
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t color = at + i * entry;
    header.palette.push_back({static_cast<std::uint8_t>(file.u8(color + 2)),
                              static_cast<std::uint8_t>(file.u8(color + 1)),
                              static_cast<std::uint8_t>(file.u8(color))});
  }
  header.palette.resize(most);  // indices beyond the palette are black
}

// The resolution and the profile of longer headers.
void read_bmp_metadata(const BmpBytes& file, std::size_t header_size, ImageMetadata& metadata) {
  constexpr std::uint32_t kEmbeddedProfile = 0x4d424544;  // "MBED"
  constexpr double kMetersPerInch = 0.0254;
  const std::int32_t x = file.i32(kFileHeader + 24);
  const std::int32_t y = file.i32(kFileHeader + 28);
  if (x > 0 && y > 0) {
    metadata.density = PixelDensity{x * kMetersPerInch, y * kMetersPerInch, true};
  }
  if (header_size >= 124 && file.u32(kFileHeader + 56) == kEmbeddedProfile) {
    const Bytes profile = file.span(kFileHeader + file.u32(kFileHeader + 112), file.u32(kFileHeader + 116));
    metadata.icc_profile.assign(profile.begin(), profile.end());
  }
}

BmpHeader read_bmp_header(const BmpBytes& file, ImageMetadata& metadata) {
  BmpHeader header;
  header.pixels = file.u32(10);
  const std::size_t size = file.u32(14);
  if (size == kCoreHeader) {
    header.width = file.u16(18);
    header.height = file.u16(20);
    header.bits = static_cast<int>(file.u16(24));
    check_kind(file, 0, header.bits);
    read_masks(file, size, header);
    read_palette(file, kFileHeader + size, 3, 0, header);
    return header;
  }
  if (size < 16 || size > 1024) {
    file.fail("is a BMP with an unknown header of " + std::to_string(size) + " bytes");
  }
  header.width = file.i32(18);
  const std::int64_t height = file.i32(22);
  header.height = std::abs(height);
  header.top_down = height < 0;
  header.bits = static_cast<int>(file.u16(28));
  const std::uint32_t compression = size >= 20 ? file.u32(30) : 0;
  check_kind(file, compression, header.bits);
  header.compression = static_cast<BmpCompression>(compression);
  const std::size_t end = read_masks(file, size, header);
  if (header.pixels < end) {
    header.pixels = end;
  }
  read_palette(file, end, 4, size >= 36 ? file.u32(46) : 0, header);
  if (size >= 40) {
    read_bmp_metadata(file, size, metadata);
  }
  return header;
}

/// Indices of a run-length encoded image, row by row from the bottom. What is skipped keeps the index 0.
class RunLengths {
 public:
  RunLengths(const BmpBytes& file, const BmpHeader& header)
      : file_(file),
        header_(header),
        at_(header.pixels),
        indices_(static_cast<std::size_t>(header.width * header.height)) {}

  std::vector<std::uint8_t> decode() {
    while (y_ < header_.height) {
      if (at_ >= file_.size() && y_ == header_.height - 1 && x_ >= header_.width) {
        break;  // only the end codes are missing
      }
      const std::uint32_t count = file_.u8(at_);
      const std::uint32_t value = file_.u8(at_ + 1);
      at_ += 2;
      if (count > 0) {
        for (std::uint32_t i = 0; i < count; ++i) {
          put(half(value, i));
        }
      } else if (value == 0) {
        x_ = 0;
        ++y_;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        x_ += file_.u8(at_);
        y_ += file_.u8(at_ + 1);
        at_ += 2;
      } else {
        read_literal(value);
      }
    }
    return std::move(indices_);
  }

 private:
  bool two_per_byte() const { return header_.compression == BmpCompression::rle4; }
  std::uint32_t half(std::uint32_t value, std::uint32_t i) const {
    return two_per_byte() ? (i % 2 == 0 ? value >> 4 : value & 15U) : value;
  }
  void put(std::uint32_t index) {
    if (x_ < header_.width && y_ < header_.height) {
      indices_[static_cast<std::size_t>(y_ * header_.width + x_)] = static_cast<std::uint8_t>(index);
    }
    ++x_;
  }
  void read_literal(std::uint32_t count) {
    const std::uint32_t bytes = two_per_byte() ? (count + 1) / 2 : count;
    for (std::uint32_t i = 0; i < count; ++i) {
      put(half(file_.u8(at_ + (two_per_byte() ? i / 2 : i)), i));
    }
    at_ += bytes + bytes % 2;
  }

  const BmpBytes& file_;
  const BmpHeader& header_;
  std::size_t at_;
  std::int64_t x_ = 0, y_ = 0;
  std::vector<std::uint8_t> indices_;
};

/// Reads the pixels of a row, which ends at a multiple of four bytes.
class BmpRows {
 public:
  BmpRows(const BmpBytes& file, const BmpHeader& header)
      : file_(file), header_(header), stride_((header.width * header.bits + 31) / 32 * 4) {
    const std::uint64_t needed = static_cast<std::uint64_t>(stride_ * (header.height - 1)) +
                                 static_cast<std::uint64_t>((header.width * header.bits + 7) / 8);
    if (header.pixels > file.size() || file.size() - header.pixels < needed) {
      file.fail("is a truncated BMP: its pixels need " + std::to_string(needed) + " bytes");
    }
  }

  std::uint32_t pixel(std::int64_t row, std::int64_t x) const {
    const std::size_t start = header_.pixels + static_cast<std::size_t>(row * stride_);
    const auto bits = static_cast<std::size_t>(x * header_.bits);
    const std::size_t at = start + bits / 8;
    switch (header_.bits) {
      case 16:
        return file_.u16(at);
      case 24:
        return file_.u16(at) | file_.u8(at + 2) << 16;
      case 32:
        return file_.u32(at);
      default: {
        const auto width = static_cast<unsigned>(header_.bits);
        return file_.u8(at) >> (8 - width - bits % 8) & ((1U << width) - 1);
      }
    }
  }

 private:
  const BmpBytes& file_;
  const BmpHeader& header_;
  std::int64_t stride_;
};

std::uint32_t scaled(std::uint32_t pixel, std::uint32_t mask, std::uint32_t maximum) {
  const std::uint64_t largest = mask >> std::countr_zero(mask);
  const std::uint64_t value = (pixel & mask) >> std::countr_zero(mask);
  return static_cast<std::uint32_t>((value * maximum + largest / 2) / largest);
}

void read_indexed(const BmpBytes& file, const BmpHeader& header, RawImage& image) {
  const bool runs = header.compression != BmpCompression::none;
  const std::vector<std::uint8_t> indices = runs ? RunLengths(file, header).decode() : std::vector<std::uint8_t>();
  std::optional<BmpRows> rows;
  if (!runs) {
    rows.emplace(file, header);
  }
  image.samples = torch::empty({header.height, header.width, 3}, torch::kUInt8);
  auto* out = image.samples.data_ptr<std::uint8_t>();
  for (std::int64_t y = 0; y < header.height; ++y) {
    const std::int64_t row = header.top_down ? y : header.height - 1 - y;
    for (std::int64_t x = 0; x < header.width; ++x) {
      const std::size_t index = runs ? indices[static_cast<std::size_t>(row * header.width + x)] : rows->pixel(row, x);
      out = std::copy(header.palette[index].begin(), header.palette[index].end(), out);
    }
  }
}

void read_masked(const BmpBytes& file, const BmpHeader& header, RawImage& image) {
  const BmpRows rows(file, header);
  const bool wide =
      std::any_of(header.masks.begin(), header.masks.end(), [](std::uint32_t mask) { return std::popcount(mask) > 8; });
  image.maximum = wide ? 65535 : 255;
  const auto maximum = static_cast<std::uint32_t>(image.maximum);
  const torch::Tensor all = torch::zeros({header.height, header.width, 4}, torch::kInt32);
  auto* out = all.data_ptr<std::int32_t>();
  for (std::int64_t y = 0; y < header.height; ++y) {
    const std::int64_t row = header.top_down ? y : header.height - 1 - y;
    for (std::int64_t x = 0; x < header.width; ++x, out += 4) {
      const std::uint32_t pixel = rows.pixel(row, x);
      for (std::size_t i = 0; i < 4; ++i) {
        out[i] = header.masks[i] == 0 ? 0 : static_cast<std::int32_t>(scaled(pixel, header.masks[i], maximum));
      }
    }
  }
  const torch::ScalarType type = wide ? torch::kInt32 : torch::kUInt8;
  image.samples = all.slice(2, 0, 3).to(type).contiguous();
  const torch::Tensor alpha = all.select(2, 3);
  // Many writers leave the fourth channel at zero although its mask is given.
  if (header.masks[3] != 0 && alpha.any().item<bool>()) {
    image.alpha = alpha.to(type).contiguous();
  }
}

}  // namespace

bool is_bmp(Bytes bytes) {
  return starts_with(bytes, "BM") && bytes.size() > kFileHeader + 4;
}

RawImage decode_bmp(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  const BmpBytes file(bytes, name);
  RawImage image;
  image.format = "bmp";
  const BmpHeader header = read_bmp_header(file, image.metadata);
  check_dimensions(header.width, header.height, limits, name);
  header.bits <= 8 ? read_indexed(file, header, image) : read_masked(file, header, image);
  keep_gray_palette(image);
  return image;
}

}  // namespace fmboost
