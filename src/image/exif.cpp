#include "image/exif.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "image/tiff_structure.h"
#include "image/utf16.h"

namespace fmboost {
namespace {

constexpr std::uint16_t kImageWidth = 0x0100;
constexpr std::uint16_t kImageHeight = 0x0101;
constexpr std::uint16_t kImageDescription = 0x010e;
constexpr std::uint16_t kOrientation = 0x0112;
constexpr std::uint16_t kXResolution = 0x011a;
constexpr std::uint16_t kYResolution = 0x011b;
constexpr std::uint16_t kResolutionUnit = 0x0128;
constexpr std::uint16_t kThumbnail = 0x0201;
constexpr std::uint16_t kThumbnailSize = 0x0202;
constexpr std::uint16_t kExifDirectory = 0x8769;
constexpr std::uint16_t kGpsDirectory = 0x8825;
constexpr std::uint16_t kMakerNote = 0x927c;
constexpr std::uint16_t kUserComment = 0x9286;
constexpr std::uint16_t kPixelWidth = 0xa002;
constexpr std::uint16_t kPixelHeight = 0xa003;
constexpr std::uint16_t kInteroperability = 0xa005;
constexpr std::uint32_t kInch = 2;
constexpr std::uint32_t kCentimeter = 3;
constexpr double kCentimetersPerInch = 2.54;
constexpr std::string_view kUnicode("UNICODE\0", 8);

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<std::size_t> orientation_field(const TiffView& tiff) {
  const auto directory = tiff.first_directory();
  const auto field = directory ? tiff.find(*directory, kOrientation) : std::nullopt;
  return field && tiff.has_type(*field, TiffType::u16) ? field : std::nullopt;
}

// Behind everything that a directory and its fields take up.
std::size_t end_of_directory(const TiffView& tiff, std::size_t directory) {
  std::size_t end = tiff.next_pointer(directory).value_or(directory) + 4;
  for (const std::size_t field : tiff.fields(directory)) {
    if (const auto at = tiff.values_at(field)) {
      end = std::max(end, *at + tiff.values(field).size());
    }
  }
  return end;
}

// Behind everything but the thumbnail.
std::size_t end_of_photograph(const TiffView& tiff, std::size_t first) {
  std::size_t end = end_of_directory(tiff, first);
  for (const auto tag : {kExifDirectory, kGpsDirectory}) {
    if (const auto directory = tiff.subdirectory(first, tag)) {
      end = std::max(end, end_of_directory(tiff, *directory));
      if (const auto inner = tiff.subdirectory(*directory, kInteroperability)) {
        end = std::max(end, end_of_directory(tiff, *inner));
      }
    }
  }
  return end;
}

// Unlinks the second directory, and cuts the thumbnail off where nothing else can lie behind it.
void drop_thumbnail(std::vector<std::byte>& exif) {
  const TiffView tiff(exif);
  const auto first = tiff.first_directory();
  const auto second = first ? tiff.next_directory(*first) : std::nullopt;
  if (!second) {
    return;
  }
  const auto number = [&](std::uint16_t tag) {
    const auto field = tiff.find(*second, tag);
    return field ? tiff.whole_number(*field).value_or(0) : 0;
  };
  const std::size_t begin = number(kThumbnail);
  const std::size_t end = begin + number(kThumbnailSize);
  const bool last = begin >= end_of_photograph(tiff, *first) && end <= exif.size() && exif.size() - end < 4;
  set_u32(exif, *tiff.next_pointer(*first), 0, tiff.big_endian());
  if (begin > 0 && last) {
    exif.resize(begin);
  }
}

// Sets the field to one whole number if it exists.
void set_whole_number(std::vector<std::byte>& exif, std::optional<std::size_t> directory, std::uint16_t tag,
                      std::uint32_t value) {
  const TiffView tiff(exif);
  const auto field = directory ? tiff.find(*directory, tag) : std::nullopt;
  if (!field || !tiff.whole_number(*field)) {
    return;
  }
  set_u16(exif, *field + 2, static_cast<std::uint32_t>(TiffType::u32), tiff.big_endian());
  set_u32(exif, *field + 4, 1, tiff.big_endian());
  set_u32(exif, *field + 8, value, tiff.big_endian());
}

// As fractions of 1/1000, the largest of which is more than four million.
std::array<std::uint32_t, 2> fraction(double value) {
  constexpr double kLargest = 4294967.0;
  return {static_cast<std::uint32_t>(std::llround(std::clamp(value, 0.001, kLargest) * 1000)), 1000};
}

std::uint32_t resolution_unit(const TiffView& tiff, std::size_t directory) {
  const auto field = tiff.find(directory, kResolutionUnit);
  return field ? tiff.whole_number(*field).value_or(kInch) : kInch;
}

void set_density(std::vector<std::byte>& exif, const PixelDensity& density) {
  const TiffView tiff(exif);
  const auto directory = tiff.first_directory();
  if (!directory || !density.has_unit) {
    return;
  }
  const double factor = resolution_unit(tiff, *directory) == kCentimeter ? 1 / kCentimetersPerInch : 1;
  for (const auto& [tag, value] : {std::pair(kXResolution, density.x), std::pair(kYResolution, density.y)}) {
    const auto field = tiff.find(*directory, tag);
    const auto at = field && tiff.has_type(*field, TiffType::rational) ? tiff.values_at(*field) : std::nullopt;
    if (at && tiff.u32(*at + 4)) {
      set_u32(exif, *at, fraction(value * factor)[0], tiff.big_endian());
      set_u32(exif, *at + 4, fraction(value * factor)[1], tiff.big_endian());
    }
  }
}

// A copy of a directory's fields, without those that refer to other positions.
std::vector<TiffField> copied_fields(const TiffView& tiff, std::size_t directory,
                                     std::initializer_list<std::uint16_t> without) {
  std::vector<TiffField> fields;
  for (const std::size_t field : tiff.fields(directory)) {
    const auto tag = static_cast<std::uint16_t>(*tiff.u16(field));
    const auto values = tiff.values(field);
    if (!values.empty() && std::find(without.begin(), without.end(), tag) == without.end()) {
      fields.push_back(
          {tag, static_cast<TiffType>(*tiff.u16(field + 2)), *tiff.u32(field + 4), {values.begin(), values.end()}});
    }
  }
  return fields;
}

TiffField pointer_field(std::uint16_t tag, std::size_t at, bool big_endian) {
  return {tag, TiffType::u32, 1, TiffBytes(big_endian).u32(static_cast<std::uint32_t>(at)).take()};
}

// A structure of a first directory and others that its fields refer to.
std::vector<std::byte> make_structure(std::vector<TiffField> first,
                                      const std::vector<std::pair<std::uint16_t, std::vector<TiffField>>>& others,
                                      bool big_endian) {
  constexpr std::size_t kHeader = 8;
  std::vector<std::byte> rest;
  // The pointers do not change the first directory's size.
  for (const auto& other : others) {
    first.push_back(pointer_field(other.first, 0, big_endian));
  }
  std::size_t at = kHeader + make_directory(first, kHeader, big_endian).size();
  for (std::size_t i = 0; i < others.size(); ++i) {
    first[first.size() - others.size() + i] = pointer_field(others[i].first, at, big_endian);
    const auto directory = make_directory(others[i].second, at, big_endian);
    rest.insert(rest.end(), directory.begin(), directory.end());
    at += directory.size();
  }
  TiffBytes structure(big_endian);
  structure.text(big_endian ? "MM" : "II").u16(42).u32(kHeader);
  return structure.bytes(make_directory(first, kHeader, big_endian)).bytes(rest).take();
}

}  // namespace

bool is_exif(const std::vector<std::byte>& exif) {
  return TiffView(exif).first_directory().has_value();
}

std::vector<std::byte> without_exif_prefix(std::vector<std::byte> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  if (as_text(exif).substr(0, kPrefix.size()) == kPrefix) {
    exif.erase(exif.begin(), exif.begin() + static_cast<std::ptrdiff_t>(kPrefix.size()));
  }
  return exif;
}

std::optional<int> read_orientation(const std::vector<std::byte>& exif) {
  const TiffView tiff(exif);
  const auto field = orientation_field(tiff);
  const auto value = field ? tiff.u16(*field + 8) : std::nullopt;
  return value && *value >= 1 && *value <= 8 ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

void reset_orientation(std::vector<std::byte>& exif) {
  const TiffView tiff(exif);
  const auto field = orientation_field(tiff);
  if (field && tiff.u16(*field + 8)) {
    set_u16(exif, *field + 8, 1, tiff.big_endian());
  }
}

std::optional<PixelDensity> read_exif_density(const std::vector<std::byte>& exif) {
  const TiffView tiff(exif);
  const auto directory = tiff.first_directory();
  if (!directory) {
    return std::nullopt;
  }
  const auto read = [&](std::uint16_t tag) {
    const auto field = tiff.find(*directory, tag);
    return field ? tiff.rational(*field) : std::nullopt;
  };
  const auto x = read(kXResolution);
  const auto y = read(kYResolution);
  const std::uint32_t unit = resolution_unit(tiff, *directory);
  if (!x || !y || (unit != kInch && unit != kCentimeter)) {
    return std::nullopt;
  }
  const double factor = unit == kCentimeter ? kCentimetersPerInch : 1;
  return PixelDensity{*x * factor, *y * factor};
}

void update_exif(std::vector<std::byte>& exif, std::uint32_t width, std::uint32_t height,
                 const std::optional<PixelDensity>& density) {
  drop_thumbnail(exif);
  const TiffView tiff(exif);
  const auto first = tiff.first_directory();
  const auto second = first ? tiff.subdirectory(*first, kExifDirectory) : std::nullopt;
  set_whole_number(exif, first, kImageWidth, width);
  set_whole_number(exif, first, kImageHeight, height);
  set_whole_number(exif, second, kPixelWidth, width);
  set_whole_number(exif, second, kPixelHeight, height);
  if (density) {
    set_density(exif, *density);
  }
}

std::vector<std::byte> exif_of_tiff(std::span<const std::byte> file) {
  constexpr std::array<std::uint16_t, 10> kKept{
      kImageDescription, 0x010f /* Make */, 0x0110 /* Model */,    kOrientation,          kXResolution,
      kYResolution,      kResolutionUnit,   0x0131 /* Software */, 0x0132 /* DateTime */, 0x013b /* Artist */};
  constexpr std::uint16_t kCopyright = 0x8298;
  const TiffView tiff(file);
  const auto directory = tiff.first_directory();
  if (!directory) {
    return {};
  }
  std::vector<TiffField> first = copied_fields(tiff, *directory, {});
  std::erase_if(first, [&](const TiffField& field) {
    return field.tag != kCopyright && std::find(kKept.begin(), kKept.end(), field.tag) == kKept.end();
  });
  std::vector<std::pair<std::uint16_t, std::vector<TiffField>>> others;
  for (const auto tag : {kExifDirectory, kGpsDirectory}) {
    if (const auto inner = tiff.subdirectory(*directory, tag)) {
      others.emplace_back(tag, copied_fields(tiff, *inner, {kMakerNote, kInteroperability}));
    }
  }
  const bool describes = std::any_of(first.begin(), first.end(), [](const TiffField& field) {
    return field.tag != kOrientation && field.tag != kXResolution && field.tag != kYResolution &&
           field.tag != kResolutionUnit;
  });
  const auto orientation = orientation_field(tiff);
  const bool turned = orientation && tiff.u16(*orientation + 8) != 1;
  return describes || turned || !others.empty() ? make_structure(first, others, tiff.big_endian())
                                                : std::vector<std::byte>();
}

std::vector<std::byte> make_exif(const ExifTexts& texts, const std::optional<PixelDensity>& density) {
  constexpr bool kBig = true;
  const auto text_field = [](std::uint16_t tag, TiffType type, const std::string& text) {
    return TiffField{tag, type, static_cast<std::uint32_t>(text.size()), TiffBytes(kBig).text(text).take()};
  };
  std::vector<TiffField> first;
  if (!texts.description.empty()) {
    first.push_back(text_field(kImageDescription, TiffType::ascii, texts.description + '\0'));
  }
  if (density && density->has_unit) {
    const auto add = [&](std::uint16_t tag, double value) {
      const auto [numerator, denominator] = fraction(value);
      first.push_back({tag, TiffType::rational, 1, TiffBytes(kBig).u32(numerator).u32(denominator).take()});
    };
    add(kXResolution, density->x);
    add(kYResolution, density->y);
    first.push_back({kResolutionUnit, TiffType::u16, 1, TiffBytes(kBig).u16(kInch).take()});
  }
  std::vector<std::pair<std::uint16_t, std::vector<TiffField>>> others;
  if (!texts.comment.empty()) {
    const std::string comment = std::string(kUnicode) + utf8_to_utf16be(texts.comment);
    others.push_back({kExifDirectory, {text_field(kUserComment, TiffType::undefined, comment)}});
  }
  return make_structure(first, others, kBig);
}

ExifTexts read_exif_texts(const std::vector<std::byte>& exif) {
  ExifTexts texts;
  const TiffView tiff(exif);
  const auto directory = tiff.first_directory();
  if (!directory) {
    return texts;
  }
  if (const auto field = tiff.find(*directory, kImageDescription); field && tiff.has_type(*field, TiffType::ascii)) {
    const auto text = as_text(tiff.values(*field));
    texts.description = text.substr(0, text.find('\0'));
  }
  const auto second = tiff.subdirectory(*directory, kExifDirectory);
  if (const auto field = second ? tiff.find(*second, kUserComment) : std::nullopt) {
    const auto text = as_text(tiff.values(*field));
    if (text.substr(0, kUnicode.size()) == kUnicode) {
      texts.comment = utf16_to_utf8(text.substr(kUnicode.size()), tiff.big_endian());
    }
  }
  return texts;
}

}  // namespace fmboost
