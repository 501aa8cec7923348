#include "image/exif.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "image/utf16.h"

namespace fmboost {
namespace {

constexpr std::uint16_t kImageDescription = 0x010e;
constexpr std::uint16_t kOrientation = 0x0112;
constexpr std::uint16_t kExifDirectory = 0x8769;
constexpr std::uint16_t kUserComment = 0x9286;
constexpr std::uint16_t kAscii = 2;
constexpr std::uint16_t kShort = 3;
constexpr std::uint16_t kLong = 4;
constexpr std::uint16_t kUndefined = 7;
constexpr std::size_t kFieldSize = 12;
constexpr std::string_view kUnicode("UNICODE\0", 8);

// Reads numbers in the byte order of the structure; none if out of range.
class Tiff {
 public:
  explicit Tiff(const std::vector<std::byte>& data) : data_(data) {
    if (data.size() >= 8) {
      big_ = data[0] == std::byte{'M'} && data[1] == std::byte{'M'};
      const bool little = data[0] == std::byte{'I'} && data[1] == std::byte{'I'};
      sound_ = (big_ || little) && u16(2) == 42;
    }
  }

  bool big_endian() const { return big_; }

  std::optional<std::uint32_t> u16(std::size_t at) const { return number(at, 2); }
  std::optional<std::uint32_t> u32(std::size_t at) const { return number(at, 4); }

  std::optional<std::size_t> first_directory() const {
    const auto offset = sound_ ? u32(4) : std::nullopt;
    return offset ? std::optional<std::size_t>(*offset) : std::nullopt;
  }

  /// The position of the field with this tag in the directory.
  std::optional<std::size_t> find(std::size_t directory, std::uint16_t tag) const {
    const auto count = u16(directory);
    for (std::size_t i = 0; count && i < *count; ++i) {
      const std::size_t field = directory + 2 + i * kFieldSize;
      if (u16(field) == tag) {
        return field;
      }
    }
    return std::nullopt;
  }

  /// The bytes of a field of one-byte items.
  std::string_view bytes(std::size_t field) const {
    const auto size = u32(field + 4);
    const auto offset =
        size && *size <= 4 ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(field + 8)) : u32(field + 8);
    if (!size || !offset || *offset > data_.size() || *size > data_.size() - *offset) {
      return {};
    }
    return {reinterpret_cast<const char*>(data_.data()) + *offset, *size};
  }

 private:
  std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const {
    if (at > data_.size() || data_.size() - at < size) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t index = big_ ? at + i : at + size - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(data_[index]);
    }
    return value;
  }

  const std::vector<std::byte>& data_;
  bool big_ = false;
  bool sound_ = false;
};

std::optional<std::size_t> orientation_field(const Tiff& tiff) {
  const auto directory = tiff.first_directory();
  const auto field = directory ? tiff.find(*directory, kOrientation) : std::nullopt;
  return field && tiff.u16(*field + 2) == kShort ? field : std::nullopt;
}

// Appends big-endian numbers.
class Writer {
 public:
  void u16(std::uint32_t value) { put(value, 2); }
  void u32(std::uint32_t value) { put(value, 4); }
  void field(std::uint16_t tag, std::uint16_t type, std::size_t count, std::size_t value) {
    u16(tag);
    u16(type);
    u32(static_cast<std::uint32_t>(count));
    u32(static_cast<std::uint32_t>(value));
  }
  void text(std::string_view bytes) {
    for (const char c : bytes) {
      data_.push_back(static_cast<std::byte>(c));
    }
  }
  std::vector<std::byte> take() { return std::move(data_); }

 private:
  void put(std::uint32_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      data_.push_back(static_cast<std::byte>(value >> shift & 0xff));
    }
  }
  std::vector<std::byte> data_;
};

}  // namespace

bool is_exif(const std::vector<std::byte>& exif) {
  return Tiff(exif).first_directory().has_value();
}

std::optional<int> read_orientation(const std::vector<std::byte>& exif) {
  const Tiff tiff(exif);
  const auto field = orientation_field(tiff);
  const auto value = field ? tiff.u16(*field + 8) : std::nullopt;
  return value && *value >= 1 && *value <= 8 ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

void reset_orientation(std::vector<std::byte>& exif) {
  const Tiff tiff(exif);
  const auto field = orientation_field(tiff);
  if (field && tiff.u16(*field + 8)) {
    exif[*field + 8] = tiff.big_endian() ? std::byte{0} : std::byte{1};
    exif[*field + 9] = tiff.big_endian() ? std::byte{1} : std::byte{0};
  }
}

std::vector<std::byte> make_exif(const ExifTexts& texts) {
  // Header, one directory of two fields with the description and the pointer, one of one field with the comment.
  constexpr std::size_t kFirst = 8;
  constexpr std::size_t kSecond = kFirst + 2 + 2 * kFieldSize + 4;
  constexpr std::size_t kTexts = kSecond + 2 + kFieldSize + 4;
  // Values of up to four bytes are stored in the field itself; the text is always longer.
  std::string description = texts.description;
  description.resize(std::max<std::size_t>(description.size() + 1, 5), '\0');
  const std::string comment = std::string(kUnicode) + utf8_to_utf16be(texts.comment);
  Writer writer;
  writer.text("MM");
  writer.u16(42);
  writer.u32(kFirst);
  writer.u16(2);
  writer.field(kImageDescription, kAscii, description.size(), kTexts);
  writer.field(kExifDirectory, kLong, 1, kSecond);
  writer.u32(0);
  writer.u16(1);
  writer.field(kUserComment, kUndefined, comment.size(), kTexts + description.size());
  writer.u32(0);
  writer.text(description);
  writer.text(comment);
  return writer.take();
}

ExifTexts read_exif_texts(const std::vector<std::byte>& exif) {
  ExifTexts texts;
  const Tiff tiff(exif);
  const auto directory = tiff.first_directory();
  if (!directory) {
    return texts;
  }
  if (const auto field = tiff.find(*directory, kImageDescription); field && tiff.u16(*field + 2) == kAscii) {
    const auto bytes = tiff.bytes(*field);
    texts.description = bytes.substr(0, bytes.find('\0'));
  }
  const auto pointer = tiff.find(*directory, kExifDirectory);
  const auto second = pointer ? tiff.u32(*pointer + 8) : std::nullopt;
  const auto field = second ? tiff.find(*second, kUserComment) : std::nullopt;
  if (field) {
    const auto bytes = tiff.bytes(*field);
    if (bytes.substr(0, kUnicode.size()) == kUnicode) {
      texts.comment = utf16_to_utf8(bytes.substr(kUnicode.size()), tiff.big_endian());
    }
  }
  return texts;
}

}  // namespace fmboost
