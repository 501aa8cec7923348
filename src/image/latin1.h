#pragma once

#include <string>
#include <string_view>

namespace fmboost {

/// Latin-1 of PNG tEXt chunks and old EXIF texts; all other text in the program is UTF-8.
inline std::string latin1_to_utf8(std::string_view text) {
  std::string result;
  for (const unsigned char byte : text) {
    if (byte < 0x80) {
      result += static_cast<char>(byte);
    } else {
      result += static_cast<char>(0xc0 | (byte >> 6));
      result += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return result;
}

/// False if the text contains characters outside Latin-1, or control characters that PNG does not allow.
inline bool utf8_to_latin1(std::string_view text, std::string& result) {
  result.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if (byte < 0x20 && byte != '\n') {
        return false;
      }
      result += static_cast<char>(byte);
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
      const auto low = static_cast<unsigned char>(text[++i]);
      const auto point = static_cast<unsigned char>(((byte & 0x03) << 6) | (low & 0x3f));
      if (point < 0xa0 || (low & 0xc0) != 0x80) {
        return false;
      }
      result += static_cast<char>(point);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace fmboost
