#include "cli/command_app.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "fmboost/core/error.h"

#include "cli/suggestions.h"

namespace fmboost::tool {
namespace {

// CLI11 would take 010 for eight, and anything too large for the largest number there is.
template <typename Integer>
CLI::Validator whole_number() {
  const auto check = [](std::string& text) {
    Integer value = 0;
    const char* end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc::result_out_of_range) {
      return "'" + text + "' is out of range";
    }
    if (error != std::errc() || parsed != end) {
      return "'" + text + "' is not a whole number";
    }
    text = std::to_string(value);
    return std::string();
  };
  return {check, /*validator_desc=*/""};
}

// The text in quotes that `value` is, apart from a comment after it. TOML's "basic" strings are read as JSON's,
// 'literal' ones as they stand.
std::optional<std::string> quoted_text(const std::string& value) {
  const char quote = value.empty() ? ' ' : value.front();
  if (quote != '"' && quote != '\'') {
    return std::nullopt;
  }
  std::size_t end = 1;
  while (end < value.size() && value[end] != quote) {
    end += quote == '"' && value[end] == '\\' ? 2 : 1;
  }
  const std::size_t rest = value.find_first_not_of(" \t", std::min(end + 1, value.size()));
  if (end >= value.size() || (rest != std::string::npos && value[rest] != '#' && value[rest] != ';')) {
    return std::nullopt;
  }
  if (quote == '\'') {
    return value.substr(1, end - 1);
  }
  const auto text = nlohmann::json::parse(value.substr(0, end + 1), nullptr, /*allow_exceptions=*/false);
  return text.is_string() ? std::optional(text.get<std::string>()) : std::nullopt;
}

std::string toml_value(const std::string& text, bool quoted) {
  return quoted ? nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : text;
}

// What an option was given, or its default, in TOML; empty where it has neither.
std::string config_value(const CLI::Option& option) {
  const bool given = option.count() > 0;
  if (option.get_lnames().empty()) {
    return {};
  }
  if (option.get_expected_max() == 0) {
    return !given ? "" : option.as<bool>() ? "true" : "false";
  }
  const std::string type = option.get_type_name();
  const bool quoted = !type.starts_with("INT") && !type.starts_with("UINT") && !type.starts_with("FLOAT");
  if (!given) {
    return option.get_default_str().empty() ? "" : toml_value(option.get_default_str(), quoted);
  }
  std::string list;
  for (const auto& value : option.results()) {
    list += (list.empty() ? "" : ", ") + toml_value(value, quoted);
  }
  return option.results().size() == 1 ? list : "[" + list + "]";
}

// CLI11 would cut a text off at a # in it, and knows no escapes.
class ConfigFormat final : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> texts;
    std::stringstream rest;
    for (std::string line; std::getline(input, line);) {
      const std::size_t equals = line.find('=');
      const std::string value = equals == std::string::npos ? "" : CLI::detail::trim_copy(line.substr(equals + 1));
      if (const auto text = quoted_text(value)) {
        texts.push_back({.parents = {}, .name = CLI::detail::trim_copy(line.substr(0, equals)), .inputs = {*text}});
      } else {
        rest << line << "\n";
      }
    }
    const auto others = CLI::ConfigTOML::from_config(rest);
    texts.insert(texts.end(), others.begin(), others.end());
    return texts;
  }
};

}  // namespace

CommandApp::CommandApp(const std::string& description, const std::string& name) : CLI::App(description, name) {
  config_formatter(std::make_shared<ConfigFormat>());
  set_config("--config", "", "Read options from a TOML or INI file")->type_name("FILE")->configurable(false);
  const std::string help = "Write the options as a TOML file to stdout, and stop";
  print_config_ = add_flag("--print-config", help)->configurable(false);
  allow_config_extras(CLI::config_extras_mode::error);
}

void CommandApp::read_numbers_strictly() {
  for (auto* option : get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("INT")) {
      option->transform(whole_number<std::int64_t>());
    } else if (type.starts_with("UINT")) {
      option->transform(whole_number<std::uint64_t>());
    }
  }
}

void CommandApp::read_config() {
  try {
    _process_config_file();
  } catch (const CLI::ConfigError& error) {
    // CLI11 names the key at the end of its text.
    const std::string text = error.what();
    const std::string key = text.substr(text.find_last_of(' ') + 1);
    const std::string guess = nearest("--" + key, option_names());
    throw UsageError("unknown setting '" + key + "' in '" + get_config_ptr()->as<std::string>() + "'" +
                     (guess.empty() ? "" : "; did you mean '" + guess.substr(2) + "'?"));
  }
  _process_callbacks();
  _process_requirements();
}

void CommandApp::print_config() const {
  for (const auto* option : get_options()) {
    const std::string value = option->get_configurable() ? config_value(*option) : "";
    if (!value.empty()) {
      std::cout << "\n# " << option->get_description() << "\n"
                << option->get_lnames().front() << " = " << value << "\n";
    }
  }
}

std::vector<std::string> CommandApp::option_names() const {
  std::vector<std::string> names;
  for (const auto* option : get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

}  // namespace fmboost::tool
