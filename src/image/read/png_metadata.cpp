#include "image/read/png_metadata.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <zlib.h>

#include "fmboost/core/log.h"

#include "image/color_profile.h"
#include "image/exif.h"
#include "image/latin1.h"
#include "image/utf16.h"

namespace fmboost {
namespace {

// Of a chunk after decompression; a small file can hold gigabytes of zeros.
constexpr std::size_t kLargestText = std::size_t{64} << 20;
constexpr std::size_t kLargestTexts = std::size_t{256} << 20;

std::string_view text_in(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint32_t u32_at(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  }
  return value;
}

struct Chunk {
  std::string_view type;
  Bytes data;
  bool intact = false;  ///< its checksum is right
};

// Calls `visit` for the chunks up to IEND or the end of the file.
template <typename Visitor>
void for_each_chunk(Bytes bytes, Visitor visit) {
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t size = u32_at(bytes, at);
    if (size > bytes.size() - at - 12) {
      return;
    }
    const Bytes checked = bytes.subspan(at + 4, size + 4);
    const auto checksum = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    visit(Chunk{text_in(checked.first(4)), checked.subspan(4), checksum == u32_at(bytes, at + 8 + size)});
    at += size + 12;
  }
}

// A whole zlib stream; none if it is damaged or larger than the limit.
std::optional<std::string> inflated(Bytes data) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) {
    return std::nullopt;
  }
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string out;
  std::array<char, 1 << 15> buffer;
  int result = Z_OK;
  while (result == Z_OK && out.size() <= kLargestText) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  return result == Z_STREAM_END && out.size() <= kLargestText ? std::optional(std::move(out)) : std::nullopt;
}

// Takes the part up to the next zero byte off the data; none if there is no zero.
std::optional<std::string_view> take_field(Bytes& data) {
  const std::string_view text = text_in(data);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  data = data.subspan(end + 1);
  return text.substr(0, end);
}

// The binary content of ImageMagick's texts: a name, its size and hexadecimal digits, each on lines of their own.
std::optional<std::vector<std::byte>> raw_profile(std::string_view text) {
  const std::size_t name = text.find_first_not_of('\n');
  const std::size_t name_end = name == std::string_view::npos ? name : text.find('\n', name);
  const std::size_t size_end = name_end == std::string_view::npos ? name_end : text.find('\n', name_end + 1);
  if (size_end == std::string_view::npos) {
    return std::nullopt;
  }
  std::string digits(text.substr(size_end));
  std::erase_if(digits, [](char c) { return c == '\n' || c == ' ' || c == '\r'; });
  std::vector<std::byte> bytes(digits.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned value = 0;
    const char* pair = digits.data() + 2 * i;
    if (const auto [end, error] = std::from_chars(pair, pair + 2, value, 16); error != std::errc() || end != pair + 2) {
      return std::nullopt;
    }
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

class ChunkReader {
 public:
  ChunkReader(const std::string& name, RawImage& image) : name_(name), image_(image) {}

  void read(const Chunk& chunk);
  void finish();

 private:
  bool read_known(const Chunk& chunk);
  bool read_profile(Bytes data);
  bool read_exif(Bytes data);
  bool read_density(Bytes data);
  bool read_plain_text(Bytes data, bool compressed);
  bool read_international_text(Bytes data);
  bool read_gamma(Bytes data);
  bool read_chromaticities(Bytes data);
  bool read_coding(Bytes data);
  void add_text(std::string_view keyword, std::string text);
  bool take_raw_profile(std::string_view keyword, const std::string& text);
  void describe_colors();

  const std::string& name_;
  RawImage& image_;
  bool before_pixels_ = true;
  bool says_srgb_ = false;
  std::optional<std::uint32_t> gamma_;
  std::optional<ColorSpace> chromaticities_;
  std::optional<ColorSpace> coding_;
  std::size_t text_size_ = 0;
  std::size_t damaged_ = 0;
};

void ChunkReader::read(const Chunk& chunk) {
  before_pixels_ = before_pixels_ && chunk.type != "IDAT";
  const bool ancillary = (chunk.type[0] & 0x20) != 0;
  if (ancillary && (!chunk.intact || !read_known(chunk))) {
    ++damaged_;
  }
}

// False if the chunk is damaged.
bool ChunkReader::read_known(const Chunk& chunk) {
  using Read = bool (ChunkReader::*)(Bytes);
  constexpr std::array<std::pair<std::string_view, Read>, 6> kColors{{{"iCCP", &ChunkReader::read_profile},
                                                                      {"gAMA", &ChunkReader::read_gamma},
                                                                      {"cHRM", &ChunkReader::read_chromaticities},
                                                                      {"cICP", &ChunkReader::read_coding},
                                                                      {"pHYs", &ChunkReader::read_density},
                                                                      {"eXIf", &ChunkReader::read_exif}}};
  for (const auto& [type, read] : kColors) {
    if (chunk.type == type) {
      return (before_pixels_ || type == "eXIf") ? (this->*read)(chunk.data) : true;
    }
  }
  if (chunk.type == "sRGB") {
    says_srgb_ = true;
  }
  if (chunk.type == "tEXt" || chunk.type == "zTXt") {
    return read_plain_text(chunk.data, chunk.type == "zTXt");
  }
  return chunk.type != "iTXt" || read_international_text(chunk.data);
}

bool ChunkReader::read_profile(Bytes data) {
  const bool named = take_field(data).has_value();
  auto profile = named && !data.empty() ? inflated(data.subspan(1)) : std::nullopt;
  if (profile && image_.metadata.icc_profile.empty()) {
    image_.metadata.icc_profile = copy_bytes(profile->data(), profile->size());
  }
  return profile.has_value();
}

bool ChunkReader::read_exif(Bytes data) {
  auto exif = without_exif_prefix({data.begin(), data.end()});
  const bool good = is_exif(exif);
  if (good) {
    image_.metadata.exif = std::move(exif);  // rather than one from a text
  }
  return good;
}

bool ChunkReader::read_density(Bytes data) {
  constexpr double kMetersPerInch = 0.0254;
  if (data.size() != 9 || u32_at(data, 0) == 0 || u32_at(data, 4) == 0) {
    return false;
  }
  const bool has_unit = data[8] == std::byte{1};
  const double factor = has_unit ? kMetersPerInch : 1;
  image_.metadata.density = PixelDensity{u32_at(data, 0) * factor, u32_at(data, 4) * factor, has_unit};
  return true;
}

// Latin-1 by the standard; but many programs write UTF-8, which Latin-1 texts hardly ever look like.
bool ChunkReader::read_plain_text(Bytes data, bool compressed) {
  const auto keyword = take_field(data);
  if (!keyword) {
    return false;
  }
  std::optional<std::string> text{std::in_place, text_in(data)};
  if (compressed) {
    text = data.empty() ? std::nullopt : inflated(data.subspan(1));
  }
  if (text && !take_raw_profile(*keyword, *text)) {
    add_text(*keyword, is_utf8(*text) ? *text : latin1_to_utf8(*text));
  }
  return text.has_value();
}

bool ChunkReader::read_international_text(Bytes data) {
  const auto keyword = take_field(data);
  if (!keyword || data.size() < 2) {
    return false;
  }
  const bool compressed = data[0] != std::byte{0};
  data = data.subspan(2);
  if (!take_field(data) || !take_field(data)) {  // the language and the translated keyword
    return false;
  }
  const auto text = compressed ? inflated(data) : std::optional<std::string>(text_in(data));
  if (!text) {
    return false;
  }
  if (*keyword == "XML:com.adobe.xmp") {
    image_.metadata.xmp = *text;
  } else {
    add_text(*keyword, *text);
  }
  return true;
}

void ChunkReader::add_text(std::string_view keyword, std::string text) {
  text_size_ += text.size();
  if (text_size_ > kLargestTexts) {
    ++damaged_;
    return;
  }
  image_.metadata.text.emplace_back(latin1_to_utf8(keyword), std::move(text));
}

bool ChunkReader::take_raw_profile(std::string_view keyword, const std::string& text) {
  constexpr std::string_view kPrefix = "Raw profile type ";
  if (!keyword.starts_with(kPrefix)) {
    return false;
  }
  const std::string_view kind = keyword.substr(kPrefix.size());
  auto profile = raw_profile(text);
  if (!profile) {
    return false;
  }
  if (kind == "xmp") {
    image_.metadata.xmp = std::string(text_in(*profile));
    return true;
  }
  auto exif = without_exif_prefix(std::move(*profile));
  if ((kind != "exif" && kind != "APP1") || !is_exif(exif)) {
    return false;
  }
  if (image_.metadata.exif.empty()) {
    image_.metadata.exif = std::move(exif);
  }
  return true;
}

bool ChunkReader::read_gamma(Bytes data) {
  if (data.size() != 4 || u32_at(data, 0) == 0) {
    return false;
  }
  gamma_ = u32_at(data, 0);
  return true;
}

bool ChunkReader::read_chromaticities(Bytes data) {
  if (data.size() != 32) {
    return false;
  }
  const auto point = [&](std::size_t i) {
    return std::array{u32_at(data, 8 * i) / 1e5, u32_at(data, 8 * i + 4) / 1e5};
  };
  ColorSpace space;
  space.white = point(0);
  space.red = point(1);
  space.green = point(2);
  space.blue = point(3);
  chromaticities_ = space;
  return true;
}

// The numbers of ITU-T H.273.
bool ChunkReader::read_coding(Bytes data) {
  if (data.size() != 4) {
    return false;
  }
  const auto space = coded_color_space(std::to_integer<int>(data[0]), std::to_integer<int>(data[1]), name_);
  coding_ = space.value_or(ColorSpace());
  return true;
}

// By precedence: coding, profile, sRGB, gamma and chromaticities (PNG, third edition, section 4.3).
void ChunkReader::describe_colors() {
  constexpr double kGammaUnit = 1e5;
  constexpr double kSrgbGamma = 45455;
  if (!coding_ && (!image_.metadata.icc_profile.empty() || says_srgb_ || !(gamma_ || chromaticities_))) {
    return;
  }
  ColorSpace space = coding_ ? *coding_ : chromaticities_.value_or(ColorSpace());
  if (!coding_ && gamma_ && std::abs(*gamma_ - kSrgbGamma) > 500) {
    space.transfer = ColorSpace::Transfer::gamma;
    space.gamma = kGammaUnit / *gamma_;
  }
  set_color_space(image_, space, name_);
}

void ChunkReader::finish() {
  describe_colors();
  if (damaged_ > 0) {
    log_warning("'" + name_ + "' has damaged metadata, which are left out: " + std::to_string(damaged_) +
                (damaged_ == 1 ? " chunk" : " chunks"));
  }
}

}  // namespace

PngImageChunks image_chunks(Bytes bytes) {
  constexpr std::array<std::uint8_t, 12> kEnd{0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  PngImageChunks image;
  const std::size_t signature = std::min<std::size_t>(bytes.size(), 8);
  image.file.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(signature));
  for_each_chunk(bytes, [&](const Chunk& chunk) {
    const bool critical = (chunk.type[0] & 0x20) == 0;
    image.complete = image.complete || chunk.type == "IEND";
    if ((critical && chunk.type != "IEND") || (chunk.type == "tRNS" && chunk.intact)) {
      const std::byte* start = chunk.data.data() - 8;
      image.file.insert(image.file.end(), start, start + chunk.data.size() + 12);
    }
  });
  const auto* end = reinterpret_cast<const std::byte*>(kEnd.data());
  image.file.insert(image.file.end(), end, end + kEnd.size());
  return image;
}

void read_png_chunks(Bytes bytes, const std::string& name, RawImage& image) {
  ChunkReader reader(name, image);
  for_each_chunk(bytes, [&](const Chunk& chunk) { reader.read(chunk); });
  reader.finish();
}

}  // namespace fmboost
