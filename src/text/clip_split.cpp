#include "text/clip_split.h"

#include <array>

#include "text/unicode.h"

namespace fmboost {
namespace {

constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};

enum class Kind { white_space, letter, number, other };

Kind kind_of(char32_t point) {
  if (is_white_space(point)) {
    return Kind::white_space;
  }
  return is_letter(point) ? Kind::letter : is_number(point) ? Kind::number : Kind::other;
}

bool starts_with(const std::vector<char32_t>& points, std::size_t at, std::u32string_view text) {
  return points.size() - at >= text.size() && std::u32string_view(points.data() + at, text.size()) == text;
}

// Length of the word that starts here: the alternatives of the pattern, in order.
std::size_t word_length(const std::vector<char32_t>& points, std::size_t at) {
  for (const auto contraction : kContractions) {
    if (starts_with(points, at, contraction)) {
      return contraction.size();
    }
  }
  const Kind kind = kind_of(points[at]);
  if (kind == Kind::number) {
    return 1;
  }
  std::size_t end = at + 1;
  while (end < points.size() && kind_of(points[end]) == kind) {
    ++end;
  }
  return end - at;
}

void split_plain(std::string_view text, std::vector<std::string>& words) {
  const auto points = to_code_points(lower_case(normalize_nfc(text)));
  for (std::size_t i = 0; i < points.size();) {
    if (is_white_space(points[i])) {
      ++i;
      continue;
    }
    const std::size_t length = word_length(points, i);
    std::string word;
    for (std::size_t k = 0; k < length; ++k) {
      word += to_utf8(points[i + k]);
    }
    words.push_back(std::move(word));
    i += length;
  }
}

}  // namespace

std::vector<std::string> split_for_clip(std::string_view prompt) {
  std::vector<std::string> words;
  while (!prompt.empty()) {
    // Special tokens are recognized in the original prompt, before cleaning.
    const std::size_t start = prompt.find(kStartOfText);
    const std::size_t end = prompt.find(kEndOfText);
    const std::size_t special = std::min(start, end);
    split_plain(prompt.substr(0, special), words);
    if (special == std::string_view::npos) {
      break;
    }
    const std::string_view token = start < end ? kStartOfText : kEndOfText;
    words.emplace_back(token);
    prompt.remove_prefix(special + token.size());
  }
  return words;
}

}  // namespace fmboost
