#include "image/utf16.h"

#include <cstdint>
#include <utf8proc.h>

namespace fmboost {
namespace {

void append_unit(std::string& out, std::uint32_t unit) {
  out += static_cast<char>(unit >> 8 & 0xff);
  out += static_cast<char>(unit & 0xff);
}

}  // namespace

std::string utf8_to_utf16be(std::string_view text) {
  std::string result;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(data, left, &point);
    if (used <= 0) {
      break;
    }
    if (point < 0x10000) {
      append_unit(result, static_cast<std::uint32_t>(point));
    } else {
      const auto rest = static_cast<std::uint32_t>(point - 0x10000);
      append_unit(result, 0xd800 + (rest >> 10));
      append_unit(result, 0xdc00 + (rest & 0x3ff));
    }
    data += used;
    left -= used;
  }
  return result;
}

std::string utf16_to_utf8(std::string_view bytes, bool big_endian) {
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<std::uint32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  std::string result;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint32_t point = unit(i);
    if (point >= 0xd800 && point < 0xdc00 && i + 3 < bytes.size() && (unit(i + 2) & 0xfc00) == 0xdc00) {
      point = 0x10000 + ((point & 0x3ff) << 10) + (unit(i + 2) & 0x3ff);
      i += 2;
    } else if (point >= 0xd800 && point < 0xe000) {
      point = 0xfffd;
    }
    utf8proc_uint8_t encoded[4];
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), encoded);
    result.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length));
  }
  return result;
}

bool is_utf8(std::string_view bytes) {
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  auto left = static_cast<utf8proc_ssize_t>(bytes.size());
  while (left > 0) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(data, left, &point);
    if (used <= 0) {
      return false;
    }
    data += used;
    left -= used;
  }
  return true;
}

}  // namespace fmboost
