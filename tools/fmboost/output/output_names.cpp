#include "output/output_names.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>

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

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Replaces %d or %0Nd; returns false if there is none.
bool replace_number(std::string& text, std::size_t index) {
  const std::size_t percent = text.find('%');
  if (percent == std::string::npos) {
    return false;
  }
  std::size_t end = percent + 1;
  while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) {
    ++end;
  }
  if (end >= text.size() || text[end] != 'd' || end - percent > 4) {
    return false;
  }
  const std::string digits = text.substr(percent + 1, end - percent - 1);
  std::string number = std::to_string(index);
  const std::size_t width = digits.empty() ? 0 : static_cast<std::size_t>(std::stoi(digits));
  const char fill = !digits.empty() && digits.front() == '0' ? '0' : ' ';
  number.insert(0, width > number.size() ? width - number.size() : 0, fill);
  text.replace(percent, end - percent + 1, number);
  return true;
}

bool is_folder(const std::string& output) {
  return output.back() == '/' || fs::is_directory(output);
}

bool is_pattern(const std::string& output) {
  std::string copy = output;
  return replace_number(copy, 0) || output.find("{seed}") != std::string::npos ||
         output.find("{index}") != std::string::npos || output.find("{prompt}") != std::string::npos ||
         output.find("{name}") != std::string::npos;
}

std::string fill_pattern(std::string text, const NameFields& fields) {
  replace_number(text, fields.index);
  replace_all(text, "{seed}", fields.seed);
  replace_all(text, "{index}", std::to_string(fields.index));
  replace_all(text, "{prompt}", safe_name(fields.prompt));
  replace_all(text, "{name}", fields.name);
  return text;
}

void refuse_duplicates(const std::vector<fs::path>& paths) {
  std::map<fs::path, std::size_t> seen;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto [found, is_new] = seen.emplace(paths[i].lexically_normal(), i);
    if (!is_new) {
      throw UsageError("images " + std::to_string(found->second + 1) + " and " + std::to_string(i + 1) +
                       " would both be written to '" + paths[i].string() + "'; add {index} or {seed} to -o");
    }
  }
}

}  // namespace

std::vector<fs::path> plan_outputs(const std::string& output, const std::vector<NameFields>& images) {
  const bool pattern = !output.empty() && is_pattern(output);
  const bool folder = output.empty() || (!pattern && is_folder(output));
  if (!folder && !pattern && images.size() > 1) {
    throw UsageError("-o " + output + " is one file for " + std::to_string(images.size()) +
                     " images; use a folder (ending in /) or a pattern such as image_{index}.png");
  }
  if (output == kStdout) {
    return {fs::path(kStdout)};
  }
  std::vector<fs::path> paths;
  for (const auto& fields : images) {
    fs::path path = folder ? fs::path(output) / fields.default_name : fs::path(fill_pattern(output, fields));
    image_format_from_suffix(path);  // throws for unknown suffixes
    paths.push_back(std::move(path));
  }
  refuse_duplicates(paths);
  return paths;
}

}  // namespace fmboost::tool
