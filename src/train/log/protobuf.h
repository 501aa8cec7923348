#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace fmboost {

/// The part of the protocol buffer wire format that event files need.
/// https://protobuf.dev/programming-guides/encoding
class ProtobufWriter {
 public:
  ProtobufWriter& integer(std::uint32_t field, std::int64_t value) {
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  ProtobufWriter& real(std::uint32_t field, double value) {
    tag(field, 1);
    fixed(value);
    return *this;
  }
  ProtobufWriter& real(std::uint32_t field, float value) {
    tag(field, 5);
    fixed(value);
    return *this;
  }
  ProtobufWriter& bytes(std::uint32_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    text_.append(value);
    return *this;
  }
  ProtobufWriter& message(std::uint32_t field, const ProtobufWriter& value) { return bytes(field, value.text()); }

  const std::string& text() const { return text_; }

 private:
  static_assert(std::endian::native == std::endian::little);

  void tag(std::uint32_t field, std::uint32_t wire_type) { varint(std::uint64_t{field} << 3 | wire_type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      text_ += static_cast<char>(value | 0x80);
    }
    text_ += static_cast<char>(value);
  }
  template <typename Number>
  void fixed(Number value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  std::string text_;
};

/// The integer of a field of a serialized message; 0, the default of omitted fields, if it is missing or the message is
/// damaged before it.
std::int64_t protobuf_integer(std::string_view message, std::uint32_t field);

}  // namespace fmboost
