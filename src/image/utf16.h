#pragma once

#include <string>
#include <string_view>

namespace fmboost {

/// UTF-8 (valid) to UTF-16 with the high byte first.
std::string utf8_to_utf16be(std::string_view text);

/// UTF-16 in either byte order to UTF-8; lone surrogates become U+FFFD.
std::string utf16_to_utf8(std::string_view bytes, bool big_endian);

/// Whether the bytes are valid UTF-8.
bool is_utf8(std::string_view bytes);

}  // namespace fmboost
