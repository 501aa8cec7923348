#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fmboost {

/// Types of TIFF fields: TIFF 6.0, section 2.
enum class TiffType : std::uint16_t { byte = 1, ascii = 2, u16 = 3, u32 = 4, rational = 5, undefined = 7 };

inline constexpr std::size_t kTiffFieldSize = 12;

/// Reads and changes numbers of a TIFF structure in its byte order; none if out of range. The structure is not copied.
class TiffView {
 public:
  explicit TiffView(std::span<const std::byte> data);

  bool big_endian() const { return big_; }
  std::size_t size() const { return data_.size(); }

  std::optional<std::uint32_t> u16(std::size_t at) const { return number(at, 2); }
  std::optional<std::uint32_t> u32(std::size_t at) const { return number(at, 4); }

  /// The position of the first directory; none if the data are no TIFF structure.
  std::optional<std::size_t> first_directory() const;
  /// The position of the directory that follows, and that of the number which says so.
  std::optional<std::size_t> next_directory(std::size_t directory) const;
  std::optional<std::size_t> next_pointer(std::size_t directory) const;

  /// The positions of a directory's fields.
  std::vector<std::size_t> fields(std::size_t directory) const;
  /// The position of the field with this tag in the directory.
  std::optional<std::size_t> find(std::size_t directory, std::uint16_t tag) const;
  /// The directory that the field with this tag refers to.
  std::optional<std::size_t> subdirectory(std::size_t directory, std::uint16_t tag) const;

  bool has_type(std::size_t field, TiffType type) const;
  /// The first value of a field of whole numbers.
  std::optional<std::uint32_t> whole_number(std::size_t field) const;
  /// The first value of a rational field; none if it is not a positive number.
  std::optional<double> rational(std::size_t field) const;
  /// The bytes of a field's values.
  std::span<const std::byte> values(std::size_t field) const;
  /// Where the values of a field begin.
  std::optional<std::size_t> values_at(std::size_t field) const;

 private:
  std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const;

  std::span<const std::byte> data_;
  bool big_ = false;
  bool sound_ = false;
};

/// Appends numbers in a byte order.
class TiffBytes {
 public:
  explicit TiffBytes(bool big_endian) : big_(big_endian) {}

  TiffBytes& u16(std::uint32_t value) { return put(value, 2); }
  TiffBytes& u32(std::uint32_t value) { return put(value, 4); }
  TiffBytes& text(std::string_view bytes);
  TiffBytes& bytes(std::span<const std::byte> bytes);
  std::vector<std::byte> take() { return std::move(data_); }

 private:
  TiffBytes& put(std::uint32_t value, std::size_t size);

  std::vector<std::byte> data_;
  bool big_;
};

/// A field to write; its values are in the byte order of the file.
struct TiffField {
  std::uint16_t tag = 0;
  TiffType type = TiffType::undefined;
  std::uint32_t count = 0;
  std::vector<std::byte> values;  ///< or, of at most four bytes, the field's own last four
};

/// Overwrites a number of the structure.
void set_u16(std::span<std::byte> data, std::size_t at, std::uint32_t value, bool big_endian);
void set_u32(std::span<std::byte> data, std::size_t at, std::uint32_t value, bool big_endian);

/// A directory at the position `at` (even) with its values behind it; sorts the fields by tag. None follows.
std::vector<std::byte> make_directory(std::vector<TiffField> fields, std::size_t at, bool big_endian);

}  // namespace fmboost
