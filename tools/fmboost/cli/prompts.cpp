#include "cli/prompts.h"

#include <charconv>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "cli/generate_settings.h"

namespace fmboost::tool {
namespace {

std::string read_source(const std::string& file) {
  if (file == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  return read_text_file(file);
}

}  // namespace

std::vector<GenerateRequest> read_prompts(const std::string& file, const GenerateRequest& defaults) {
  std::vector<GenerateRequest> requests;
  std::istringstream lines(read_source(file));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') {
      continue;
    }
    const std::string text = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    GenerateRequest request = defaults;
    if (text.front() == '{') {
      const std::string origin = (file == "-" ? "stdin" : "'" + file + "'") + ", line " + std::to_string(number);
      const auto settings = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (settings.is_discarded()) {
        throw UsageError(origin + ": not valid JSON");
      }
      read_settings(settings, origin, request);
    } else {
      request.prompt = text;
    }
    requests.push_back(std::move(request));
  }
  if (requests.empty()) {
    throw UsageError((file == "-" ? "stdin" : "'" + file + "'") + " contains no prompt");
  }
  return requests;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  const std::size_t slash = text.find('/');
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto first = std::from_chars(begin, begin + std::min(slash, text.size()), shard.index);
  const auto second = slash == std::string::npos ? std::from_chars_result{begin, std::errc::invalid_argument}
                                                 : std::from_chars(begin + slash + 1, end, shard.count);
  if (first.ec != std::errc() || first.ptr != begin + slash || second.ec != std::errc() || second.ptr != end ||
      shard.count == 0 || shard.index >= shard.count) {
    throw UsageError("`shard` must be I/N with I from 0 to N - 1, not '" + text + "'");
  }
  return shard;
}

}  // namespace fmboost::tool
