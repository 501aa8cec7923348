#include "settings/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "fmboost/core/error.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

template <typename Integer>
std::optional<json> integer(const std::string& text) {
  Integer value = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && parsed == end ? std::optional<json>(value) : std::nullopt;
}

json number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' ? json(value) : throw WrongValue();
}

std::string shortest(double value) {
  std::string text = json(value).dump();
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

}  // namespace

json argument_to_json(const std::string& argument, const std::string& type) {
  if (type == "FLOAT") {
    return number(argument);
  }
  if (type == "BOOL") {
    return argument == "true";
  }
  if (type != "INT") {
    return argument;
  }
  const auto value = integer<std::int64_t>(argument);
  const auto large = value ? value : integer<std::uint64_t>(argument);
  return large ? *large : throw WrongValue();
}

void check_range(const SettingText& text, const json& value) {
  if (!text.range || !value.is_number()) {
    return;
  }
  const auto [lowest, highest] = *text.range;
  const auto found = value.get<double>();
  if (!(found >= lowest && found <= highest)) {
    throw UsageError("`" + text.name + "` must be from " + shortest(lowest) + " to " + shortest(highest) + ", not " +
                     value.dump());
  }
}

std::string flag_of(const SettingText& text) {
  std::string name = text.name;
  std::replace(name.begin(), name.end(), '_', '-');
  return (text.negated ? "--no-" : "--") + name;
}

CLI::Option* add_setting(CLI::App& app, const SettingText& text, const std::string& type) {
  const std::string flags = text.flags.empty() ? flag_of(text) : text.flags;
  if (type == "BOOL") {
    return app.add_flag(flags, text.help)->group(text.group);
  }
  auto* option = app.add_option(flags, text.help)->type_name(type)->group(text.group);
  if (!text.shown.empty()) {
    option->default_str(text.shown);
  }
  return option;
}

json given_argument(const CLI::App& app, const SettingText& text,
                    const std::function<json(const std::string&)>& parse) {
  const auto* option = app.get_option_no_throw(flag_of(text));
  if (option == nullptr || option->count() == 0) {
    return nullptr;
  }
  if (option->get_expected_max() == 0) {
    return option->as<bool>() != text.negated;
  }
  const auto argument = option->as<std::string>();
  try {
    return parse(argument);
  } catch (const WrongValue&) {
    fail_setting(text, argument);
  }
}

void fail_setting(const SettingText& text, const json& value) {
  throw UsageError("`" + text.name + "` cannot be " + value.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace fmboost::tool
