#include "image/tiff_structure.h"

#include <algorithm>
#include <array>

namespace fmboost {
namespace {

// Bytes of a value by its type; 0 for types that are not known.
constexpr std::array<std::uint8_t, 14> kTypeSizes{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};

void put_number(std::byte* out, std::uint32_t value, std::size_t size, bool big) {
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t shift = 8 * (big ? size - 1 - i : i);
    out[i] = static_cast<std::byte>(value >> shift & 0xff);
  }
}

}  // namespace

TiffView::TiffView(std::span<const std::byte> data) : data_(data) {
  if (data.size() >= 8) {
    big_ = data[0] == std::byte{'M'} && data[1] == std::byte{'M'};
    const bool little = data[0] == std::byte{'I'} && data[1] == std::byte{'I'};
    sound_ = (big_ || little) && u16(2) == 42;
  }
}

std::optional<std::size_t> TiffView::first_directory() const {
  const auto offset = sound_ ? u32(4) : std::nullopt;
  return offset ? std::optional<std::size_t>(*offset) : std::nullopt;
}

std::optional<std::size_t> TiffView::next_pointer(std::size_t directory) const {
  const auto count = u16(directory);
  const std::size_t at = directory + 2 + count.value_or(0) * kTiffFieldSize;
  return count && u32(at) ? std::optional(at) : std::nullopt;
}

std::optional<std::size_t> TiffView::next_directory(std::size_t directory) const {
  const auto at = next_pointer(directory);
  const auto next = at ? u32(*at) : std::nullopt;
  return next && *next != 0 ? std::optional<std::size_t>(*next) : std::nullopt;
}

std::vector<std::size_t> TiffView::fields(std::size_t directory) const {
  std::vector<std::size_t> fields;
  const auto count = u16(directory);
  for (std::size_t i = 0; count && i < *count; ++i) {
    const std::size_t field = directory + 2 + i * kTiffFieldSize;
    if (!u32(field + 8)) {
      break;
    }
    fields.push_back(field);
  }
  return fields;
}

std::optional<std::size_t> TiffView::find(std::size_t directory, std::uint16_t tag) const {
  for (const std::size_t field : fields(directory)) {
    if (u16(field) == tag) {
      return field;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> TiffView::subdirectory(std::size_t directory, std::uint16_t tag) const {
  const auto field = find(directory, tag);
  const auto at = field ? u32(*field + 8) : std::nullopt;
  return at && u16(*at) ? std::optional<std::size_t>(*at) : std::nullopt;
}

bool TiffView::has_type(std::size_t field, TiffType type) const {
  return u16(field + 2) == static_cast<std::uint32_t>(type);
}

std::optional<std::uint32_t> TiffView::whole_number(std::size_t field) const {
  return has_type(field, TiffType::u16)   ? u16(field + 8)
         : has_type(field, TiffType::u32) ? u32(field + 8)
                                          : std::nullopt;
}

std::optional<double> TiffView::rational(std::size_t field) const {
  const auto at = has_type(field, TiffType::rational) ? u32(field + 8) : std::nullopt;
  const auto numerator = at ? u32(*at) : std::nullopt;
  const auto denominator = at ? u32(std::size_t{*at} + 4) : std::nullopt;
  if (!numerator || !denominator || *numerator == 0 || *denominator == 0) {
    return std::nullopt;
  }
  return static_cast<double>(*numerator) / *denominator;
}

std::optional<std::size_t> TiffView::values_at(std::size_t field) const {
  const auto type = u16(field + 2);
  const auto count = u32(field + 4);
  if (!type || !count || *type >= kTypeSizes.size()) {
    return std::nullopt;
  }
  const std::uint64_t size = std::uint64_t{*count} * kTypeSizes[*type];
  const auto at = size <= 4 ? std::optional<std::uint64_t>(field + 8) : std::optional<std::uint64_t>(u32(field + 8));
  if (!at || *at > data_.size() || size > data_.size() - *at) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(*at);
}

std::span<const std::byte> TiffView::values(std::size_t field) const {
  const auto at = values_at(field);
  return at ? data_.subspan(*at, std::size_t{*u32(field + 4)} * kTypeSizes[*u16(field + 2)])
            : std::span<const std::byte>();
}

std::optional<std::uint32_t> TiffView::number(std::size_t at, std::size_t size) const {
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

TiffBytes& TiffBytes::put(std::uint32_t value, std::size_t size) {
  data_.resize(data_.size() + size);
  put_number(data_.data() + data_.size() - size, value, size, big_);
  return *this;
}

TiffBytes& TiffBytes::text(std::string_view bytes) {
  return this->bytes(std::as_bytes(std::span(bytes)));
}

TiffBytes& TiffBytes::bytes(std::span<const std::byte> bytes) {
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  return *this;
}

void set_u16(std::span<std::byte> data, std::size_t at, std::uint32_t value, bool big_endian) {
  put_number(data.subspan(at, 2).data(), value, 2, big_endian);
}

void set_u32(std::span<std::byte> data, std::size_t at, std::uint32_t value, bool big_endian) {
  put_number(data.subspan(at, 4).data(), value, 4, big_endian);
}

std::vector<std::byte> make_directory(std::vector<TiffField> fields, std::size_t at, bool big_endian) {
  std::stable_sort(fields.begin(), fields.end(), [](const TiffField& a, const TiffField& b) { return a.tag < b.tag; });
  TiffBytes directory(big_endian);
  TiffBytes values(big_endian);
  std::size_t values_at = at + 2 + fields.size() * kTiffFieldSize + 4;
  directory.u16(static_cast<std::uint32_t>(fields.size()));
  for (auto& field : fields) {
    directory.u16(field.tag).u16(static_cast<std::uint32_t>(field.type)).u32(field.count);
    if (field.values.size() <= 4) {
      field.values.resize(4);
      directory.bytes(field.values);
      continue;
    }
    field.values.resize((field.values.size() + 1) / 2 * 2);  // values begin at even positions
    directory.u32(static_cast<std::uint32_t>(values_at));
    values.bytes(field.values);
    values_at += field.values.size();
  }
  directory.u32(0);
  directory.bytes(values.take());
  return directory.take();
}

}  // namespace fmboost
