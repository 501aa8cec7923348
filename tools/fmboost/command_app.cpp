#include "command_app.h"

#include "nearest.h"

#include <iostream>
#include <sstream>

#include "fmboost/core/error.h"

namespace fmboost::tool {

CommandApp::CommandApp(const std::string& description, const std::string& name) : CLI::App(description, name) {
  set_config("--config", "", "Read options from a TOML or INI file")->type_name("FILE")->configurable(false);
  const std::string help = "Write the options as a TOML file to stdout, and stop";
  print_config_ = add_flag("--print-config", help)->configurable(false);
  allow_config_extras(CLI::config_extras_mode::error);
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
  std::istringstream lines(config_to_str(/*default_also=*/true, /*write_description=*/true));
  std::string comment;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') {
      comment += line + "\n";
      continue;
    }
    const std::size_t equals = line.find('=');
    const CLI::Option* option = get_option_no_throw("--" + line.substr(0, equals));
    const bool has_value =
        option == nullptr || option->count() > 0 || (line.substr(equals) != "=\"\"" && option->get_expected_max() > 0);
    if (has_value) {
      std::cout << comment << line << "\n";
    }
    comment.clear();
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
