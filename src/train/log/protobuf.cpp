#include "train/log/protobuf.h"

#include <optional>

namespace fmboost {
namespace {

std::optional<std::uint64_t> take_varint(std::string_view& message) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !message.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(message.front());
    message.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return std::nullopt;
}

// The size in bytes of a value of this wire type. A length prefix is removed from the message.
std::optional<std::uint64_t> value_size(std::string_view& message, std::uint64_t wire_type) {
  switch (wire_type) {
    case 1:
      return 8;
    case 2:
      return take_varint(message);
    case 5:
      return 4;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::int64_t protobuf_integer(std::string_view message, std::uint32_t field) {
  while (const auto tag = take_varint(message)) {
    const std::uint64_t wire_type = *tag & 7;
    if (wire_type == 0) {
      const auto value = take_varint(message);
      if (!value || *tag >> 3 == field) {
        return static_cast<std::int64_t>(value.value_or(0));
      }
      continue;
    }
    const auto size = value_size(message, wire_type);
    if (!size || *size > message.size()) {
      return 0;
    }
    message.remove_prefix(*size);
  }
  return 0;
}

}  // namespace fmboost
