#include "output/output_names.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/image/encode.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

// Keeps letters and numbers of any script; characters that file systems or shells treat specially become underscores.
std::string safe_name(const std::string& text) {
  constexpr std::size_t kLongest = 80;
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool keeps = byte >= 0x80 || std::isalnum(byte) != 0 || c == '-';
    if (keeps) {
      safe += c;
    } else if (!safe.empty() && safe.back() != '_') {
      safe += '_';
    }
  }
  if (safe.size() > kLongest) {
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(safe[end]) & 0xc0) == 0x80) {
      --end;  // do not cut a UTF-8 sequence
    }
    safe.resize(end);
  }
  while (!safe.empty() && safe.back() == '_') {
    safe.pop_back();
  }
  return safe.empty() ? "image" : safe;
}

/// "%d" or "%0Nd" in a text.
struct NumberField {
  std::size_t length = 0;  ///< 0: there is none
  std::size_t width = 0;
  char fill = ' ';
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A bare %d within a word is no number: "100%done.png" is a name.
NumberField number_field_at(const std::string& text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && is_digit(text[end])) {
    ++end;
  }
  if (end >= text.size() || text[end] != 'd' || end - at > 4) {
    return {};
  }
  const std::string digits = text.substr(at + 1, end - at - 1);
  const bool word = end + 1 < text.size() && std::isalpha(static_cast<unsigned char>(text[end + 1])) != 0;
  if (digits.empty() && word) {
    return {};
  }
  return {.length = end + 1 - at,
          .width = digits.empty() ? 0 : static_cast<std::size_t>(std::stoi(digits)),
          .fill = digits.starts_with('0') ? '0' : ' '};
}

// The field in braces that begins here: its length, 0 if it is none, and its value.
std::pair<std::size_t, std::string> braced_field_at(const std::string& text, std::size_t at, const NameFields& fields) {
  const std::string_view rest = std::string_view(text).substr(at);
  const auto is = [&](std::string_view name) { return rest.starts_with(name) ? name.size() : 0; };
  if (const auto length = is("{seed}")) {
    return {length, fields.seed};
  }
  if (const auto length = is("{index}")) {
    return {length, std::to_string(fields.index)};
  }
  if (const auto length = is("{prompt}")) {
    return {length, safe_name(fields.prompt)};
  }
  if (const auto length = is("{name}")) {
    return {length, fields.name};
  }
  const auto length = is("{folder}");
  return {length, fields.folder.string()};
}

std::string padded_number(std::size_t index, const NumberField& field) {
  std::string number = std::to_string(index);
  number.insert(0, field.width > number.size() ? field.width - number.size() : 0, field.fill);
  return number;
}

bool exists_as_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// What -o says: a folder that is there is taken literally; fields are replaced in the rest, numbers in the file's
/// name.
class OutputPattern {
 public:
  explicit OutputPattern(const std::string& output) {
    folder_only_ = output.empty() || output.back() == '/' || exists_as_folder(output);
    const std::size_t slash = folder_only_ ? output.size() : output.find_last_of('/') + 1;
    std::size_t literal = slash;
    while (literal > 0 && !exists_as_folder(output.substr(0, literal))) {
      const std::size_t before = output.find_last_of('/', literal - 2);
      literal = literal < 2 || before == std::string::npos ? 0 : before + 1;
    }
    literal_ = output.substr(0, literal);
    folders_ = output.substr(literal, slash - literal);
    file_ = output.substr(slash);
  }

  bool folder_only() const { return folder_only_; }
  /// Whether the file's name or its folder depends on the image.
  bool varies() const {
    bool varies = false;
    expand(folders_, {}, /*numbers=*/false, varies);
    expand(file_, {}, /*numbers=*/true, varies);
    return varies;
  }
  fs::path path_for(const NameFields& fields) const {
    bool varies = false;
    const fs::path folder = literal_ + expand(folders_, fields, /*numbers=*/false, varies);
    return folder_only_ ? folder / fields.folder / fields.default_name
                        : folder / expand(file_, fields, /*numbers=*/true, varies);
  }

 private:
  // One pass, so that a field's value is not searched for fields. %% is a percent sign before a d.
  static std::string expand(const std::string& text, const NameFields& fields, bool numbers, bool& varies) {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
      const NumberField number = numbers && text[i] == '%' ? number_field_at(text, i) : NumberField();
      const auto [length, value] =
          text[i] == '{' ? braced_field_at(text, i, fields) : std::pair<std::size_t, std::string>();
      if (number.length > 0) {
        result += padded_number(fields.index, number);
      } else if (length > 0) {
        result += value;
      } else {
        result += text[i];
      }
      varies = varies || number.length > 0 || length > 0;
      const bool escaped = numbers && text.compare(i, 2, "%%") == 0;
      i += escaped ? 2 : std::max<std::size_t>({number.length, length, 1});
    }
    return result;
  }

  bool folder_only_ = false;
  std::string literal_;
  std::string folders_;
  std::string file_;
};

/// The names that were given to images, to refuse a second use.
class UsedNames {
 public:
  void add(const fs::path& path, std::size_t number) {
    const auto [found, is_new] = seen_.emplace(path.lexically_normal().native(), number);
    if (!is_new) {
      throw UsageError("images " + std::to_string(found->second + 1) + " and " + std::to_string(number + 1) +
                       " would both be written to '" + path.string() + "'; add {index} or {seed} to -o");
    }
  }

 private:
  std::unordered_map<std::string, std::size_t> seen_;
};

bool is_one_file(const OutputPattern& pattern) {
  return !pattern.folder_only() && !pattern.varies();
}

}  // namespace

std::vector<fs::path> plan_outputs(const std::string& output, const std::vector<NameFields>& images) {
  const OutputPattern pattern(output);
  if (is_one_file(pattern) && images.size() > 1) {
    throw UsageError("-o " + output + " is one file for " + std::to_string(images.size()) +
                     " images; use a folder (ending in /) or a pattern such as image_{index}.png");
  }
  if (output == kStdout) {
    return {fs::path(kStdout)};
  }
  UsedNames used;
  std::vector<fs::path> paths;
  paths.reserve(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    fs::path path = pattern.path_for(images[i]);
    image_format_from_suffix(path);  // throws for unknown suffixes
    used.add(path, i);
    paths.push_back(std::move(path));
  }
  return paths;
}

class OutputNames::Names {
 public:
  explicit Names(const std::string& output) : output_(output), pattern_(output) {
    if (output != kStdout) {
      NameFields fields;
      fields.default_name = "image.png";
      image_format_from_suffix(pattern_.path_for(fields));
    }
  }
  fs::path next(const NameFields& fields) {
    const fs::path path = output_ == kStdout ? fs::path(kStdout) : pattern_.path_for(fields);
    used_.add(path, fields.index);
    return path;
  }

 private:
  std::string output_;
  OutputPattern pattern_;
  UsedNames used_;
};

OutputNames::OutputNames(const std::string& output) : names_(std::make_unique<Names>(output)) {}

OutputNames::~OutputNames() = default;

fs::path OutputNames::next(const NameFields& fields) {
  return names_->next(fields);
}

}  // namespace fmboost::tool
