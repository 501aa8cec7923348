#include "cli/config_file.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <toml++/toml.h>
#include <vector>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "cli/suggestions.h"

namespace fmboost::tool {
namespace {

// One line of a text, counted from 1.
std::string line_of(const std::string& text, std::size_t number) {
  std::istringstream lines(text);
  std::string line;
  for (std::size_t i = 0; i < number; ++i) {
    std::getline(lines, line);
  }
  return CLI::detail::trim_copy(line);
}

toml::table parse_file(const std::string& file) {
  std::string text;
  try {
    text = read_text_file(file);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    const std::size_t line = error.source().begin.line;
    throw UsageError("'" + file + "', line " + std::to_string(line) + " (" + line_of(text, line) +
                     ") is not valid TOML: " + std::string(error.description()));
  }
}

/// A command and those above it, and the file that is read for it.
struct Reading {
  const std::string& file;
  CLI::App& command;
  std::vector<const CLI::App*> chain;  ///< from the program to the command
};

[[noreturn]] void fail_unknown(const std::string& key, const Reading& reading) {
  std::vector<std::string> known;
  for (const auto* option : reading.command.get_options()) {
    known.insert(known.end(), option->get_lnames().begin(), option->get_lnames().end());
  }
  const std::string guess = nearest(key, known);
  throw UsageError("unknown setting '" + key + "' in '" + reading.file + "'" +
                   (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
}

std::string printed(const toml::node& value) {
  std::ostringstream text;
  value.visit([&](const auto& node) { text << node; });
  return text.str();
}

// Texts as an argument of the command line would have them.
std::vector<std::string> texts_of(const toml::node& value, const std::string& key, const std::string& file) {
  if (const auto* array = value.as_array()) {
    std::vector<std::string> texts;
    for (const auto& item : *array) {
      const auto more = texts_of(item, key, file);
      texts.insert(texts.end(), more.begin(), more.end());
    }
    return texts;
  }
  if (value.is_string()) {
    return {*value.value<std::string>()};
  }
  if (!value.is_number() && !value.is_boolean()) {
    throw UsageError("'" + key + "' in '" + file + "' must be a string, a number, a boolean or a list of these");
  }
  return {printed(value)};
}

void set_option(const std::string& key, const toml::node& value, const Reading& reading) {
  auto* option = reading.command.get_option_no_throw("--" + key);
  if (option == nullptr || !option->get_configurable()) {
    fail_unknown(key, reading);
  }
  if (option->count() > 0) {
    return;  // the command line overrides the file
  }
  const auto texts = texts_of(value, key, reading.file);
  if (option->get_expected_max() != 0) {
    option->add_result(texts);
  } else if (value.is_boolean()) {
    option->add_result(option->get_flag_value(key, texts.front()));
  } else {
    throw UsageError("'" + key + "' in '" + reading.file + "' must be true or false");
  }
}

bool has_subcommand(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; }).empty();
}

// `depth`: of the section that `table` is, 0 for the file's top level.
void read_table(const toml::table& table, std::size_t depth, const Reading& reading) {
  for (const auto& [name, value] : table) {
    const std::string key(name.str());
    const bool inside = depth + 1 < reading.chain.size();
    if (!value.is_table()) {
      set_option(key, value, reading);
    } else if (inside && key == reading.chain[depth + 1]->get_name()) {
      read_table(*value.as_table(), depth + 1, reading);
    } else if (!inside || !has_subcommand(*reading.chain[depth], key)) {
      fail_unknown(key, reading);
    }
  }
}

std::string toml_string(const std::string& text) {
  std::ostringstream stream;
  stream << toml::value<std::string>(text);
  return stream.str();
}

// A number as TOML, or a string when TOML cannot hold it.
std::string toml_number(const std::string& text, bool whole) {
  std::ostringstream stream;
  const char* end = text.data() + text.size();
  if (whole) {
    std::int64_t value = 0;
    const auto [parsed, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || parsed != end) {
      return toml_string(text);
    }
    stream << value;
  } else {
    char* parsed = nullptr;
    const double value = std::strtod(text.c_str(), &parsed);
    if (text.empty() || *parsed != '\0') {
      return toml_string(text);
    }
    stream << toml::value<double>(value);
  }
  return stream.str();
}

std::string toml_value(const std::string& text, const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const bool whole = type.starts_with("INT") || type.starts_with("UINT");
  return whole || type.starts_with("FLOAT") ? toml_number(text, whole) : toml_string(text);
}

// The value that an option was given, or its default; empty if it has neither.
std::string option_value(const CLI::Option& option, bool defaults) {
  if (option.get_expected_max() == 0) {
    return option.count() == 0 ? "" : option.as<bool>() ? "true" : "false";
  }
  if (option.count() == 0) {
    const std::string text = defaults ? option.get_default_str() : "";
    return text.empty() || text.front() == '[' ? text : toml_value(text, option);
  }
  std::vector<std::string> values;
  for (const auto& text : option.results()) {
    values.push_back(toml_value(text, option));
  }
  return values.size() == 1 ? values.front() : "[" + CLI::detail::join(values, ", ") + "]";
}

}  // namespace

void read_config_file(const std::string& file, CLI::App& command) {
  Reading reading{.file = file, .command = command, .chain = {}};
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    reading.chain.insert(reading.chain.begin(), app);
  }
  read_table(parse_file(file), 0, reading);
}

std::string config_text(const CLI::App& command, bool defaults) {
  std::string text;
  for (const auto* option : command.get_options()) {
    const bool named = option->get_configurable() && !option->get_lnames().empty();
    const std::string value = named ? option_value(*option, defaults) : "";
    if (!value.empty()) {
      text += "\n# " + option->get_description() + "\n" + option->get_lnames().front() + " = " + value + "\n";
    }
  }
  return text;
}

}  // namespace fmboost::tool
