#include "inputs/prompts.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/random.h"

#include "inputs/line_source.h"
#include "settings/generate_settings.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

constexpr const char* kSpace = " \t\r\v\f";

std::string trimmed(const std::string& line) {
  const std::size_t first = line.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : line.substr(first, line.find_last_not_of(kSpace) + 1 - first);
}

// Values nested deeper than any setting are invalid: nlohmann's functions recurse.
std::optional<json> parsed(const std::string& text) {
  constexpr int kDeepest = 16;
  bool too_deep = false;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;
  };
  json value = json::parse(text, watch, /*allow_exceptions=*/false);
  if (too_deep) {
    return std::nullopt;
  }
  return value.is_discarded() ? std::nullopt : std::optional(std::move(value));
}

// A brace or bracket that is followed by a quotation mark begins JSON rather than a prompt in some other notation.
bool looks_like_json(const std::string& text) {
  const std::size_t inner = text.find_first_not_of(" \t\r\n", 1);
  return inner == std::string::npos || text[inner] == '"' || text[inner] == '}' ||
         (text.front() == '[' && text[inner] == '{');
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kShown = 40;
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

// Removes a key and returns its value as a whole number.
std::optional<std::int64_t> take_whole(json& settings, const char* key, const std::string& origin) {
  const auto found = settings.find(key);
  if (found == settings.end()) {
    return std::nullopt;
  }
  if (found->is_number_float() && found->get<double>() == std::floor(found->get<double>()) &&
      std::abs(found->get<double>()) < 1e9) {
    *found = static_cast<std::int64_t>(found->get<double>());
  }
  if (!found->is_number_integer()) {
    throw UsageError(origin + ": '" + key + "' cannot be " +
                     found->dump(-1, ' ', false, json::error_handler_t::replace));
  }
  const auto value = found->get<std::int64_t>();
  settings.erase(key);
  return value;
}

// The keys that other programs' files have, as those of the settings.
std::int64_t take_foreign_keys(json& settings, std::int64_t count, const std::string& origin) {
  const auto width = take_whole(settings, "width", origin);
  const auto height = take_whole(settings, "height", origin);
  if (width.has_value() != height.has_value()) {
    throw UsageError(origin + ": 'width' and 'height' belong together");
  }
  if (width) {
    if (settings.contains("size")) {
      throw UsageError(origin + ": give either 'size' or 'width' and 'height'");
    }
    settings["size"] = std::to_string(*width) + "x" + std::to_string(*height);
  }
  if (settings.contains("cfg_scale")) {
    if (settings.contains("guidance")) {
      throw UsageError(origin + ": 'cfg_scale' is another name of 'guidance'; give one of them");
    }
    settings["guidance"] = settings["cfg_scale"];
    settings.erase("cfg_scale");
  }
  if (settings.contains("seed") && settings["seed"].is_number_integer() && !settings["seed"].is_number_unsigned()) {
    const std::uint64_t seed = random_seed();
    log_info(origin + ": random seed " + std::to_string(seed));
    settings["seed"] = seed;
  }
  constexpr std::int64_t kMostImages = 1000000;
  const std::int64_t images = take_whole(settings, "count", origin).value_or(count);
  if (images < 1 || images > kMostImages) {
    throw UsageError(origin + ": 'count' must be from 1 to " + std::to_string(kMostImages));
  }
  return images;
}

}  // namespace

PromptReader::PromptReader(const std::string& file, PromptEntry defaults)
    : name_(file == "-" ? "stdin" : "'" + file + "'"),
      defaults_(std::move(defaults)),
      lines_(std::make_unique<LineSource>(file)) {}

PromptReader::~PromptReader() = default;

bool PromptReader::ended() const {
  return entries_.empty() && lines_->ended();
}

bool PromptReader::would_wait() const {
  return entries_.empty() && lines_->would_wait();
}

std::optional<PromptEntry> PromptReader::next() {
  while (entries_.empty() && !lines_->ended()) {
    read_line();
  }
  if (entries_.empty()) {
    if (!found_) {
      throw UsageError(name_ + " contains no prompt");
    }
    return std::nullopt;
  }
  found_ = true;
  PromptEntry entry = std::move(entries_.front());
  entries_.pop_front();
  return entry;
}

void PromptReader::read_line() {
  const std::optional<std::string> line = lines_->next();
  const std::string text = line ? trimmed(*line) : "";
  if (text.empty()) {
    return;
  }
  const std::string origin = name_ + ", line " + std::to_string(lines_->number());
  if (text.front() == '#') {
    const bool plain = text.size() == 1 || std::string_view(" \t#!").find(text[1]) != std::string_view::npos;
    if (!plain) {
      log_warning(origin + " begins with # and is left out as a comment ('" + shortened(text) +
                  "'); write {\"prompt\": \"...\"} to generate it");
    }
  } else if (text.front() == '[' && looks_like_json(text)) {
    read_array(text, origin);
  } else if (text.front() != '{') {
    add_prompt(text);
  } else if (const std::optional<json> settings = parsed(text)) {
    add_settings(*settings, origin);
  } else if (looks_like_json(text)) {
    throw UsageError(origin + ": not valid JSON");
  } else {
    log_warning(origin + " begins with { but is no JSON; it is taken as a prompt");
    add_prompt(text);
  }
}

// On a line, or over all that follow.
void PromptReader::read_array(std::string text, const std::string& origin) {
  std::optional<json> array = parsed(text);
  if (!array) {
    text += "\n" + lines_->rest();
    array = parsed(text);
  }
  if (!array) {
    throw UsageError(origin + ": not valid JSON");
  }
  std::size_t number = 0;
  for (const auto& element : *array) {
    const std::string place = origin + ", element " + std::to_string(++number);
    if (element.is_string()) {
      add_prompt(element.get<std::string>());
    } else if (element.is_object()) {
      add_settings(element, place);
    } else {
      throw UsageError(place + ": neither a prompt nor an object with settings");
    }
  }
}

void PromptReader::add_settings(const json& settings, const std::string& origin) {
  json known = settings;
  PromptEntry entry = defaults_;
  entry.count = take_foreign_keys(known, defaults_.count, origin);
  read_settings(known, origin, entry.request);
  entries_.push_back(std::move(entry));
}

void PromptReader::add_prompt(std::string text) {
  entries_.push_back(defaults_);
  entries_.back().request.prompt = std::move(text);
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
