#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fmboost {

/// The Unicode functions of the tokenizers, based on the tables of utf8proc.

/// Splits valid UTF-8 into code points.
std::vector<char32_t> to_code_points(std::string_view text);
std::string to_utf8(char32_t code_point);

std::string normalize_nfc(std::string_view text);
/// Lower case by code point; U+0130 becomes two code points, as in the reference.
std::string lower_case(std::string_view text);

bool is_letter(char32_t code_point);       ///< general category L*
bool is_number(char32_t code_point);       ///< general category N*
bool is_white_space(char32_t code_point);  ///< property White_Space

}  // namespace fmboost
