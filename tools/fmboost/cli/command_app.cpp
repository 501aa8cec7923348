#include "cli/command_app.h"

#include <charconv>
#include <cstdint>
#include <iostream>

#include "cli/config_file.h"
#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

// CLI11 would read 010 as eight, and clamp values that are too large.
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

}  // namespace

CommandApp::CommandApp(const std::string& description, const std::string& name) : CLI::App(description, name) {
  get_help_ptr()->group(kGeneralGroup);
  config_ = add_option("--config", "Read options from a TOML file")->type_name("FILE");
  const std::string help = "Print the options as a TOML file on stdout and exit";
  print_config_ = add_flag("--print-config", help);
  for (auto* option : {config_, print_config_}) {
    option->configurable(false)->group(kGeneralGroup);
  }
}

void CommandApp::read_brackets_literally() {
  const auto unmark = [](std::string& text) {
    if (text.starts_with(kLiteralMark)) {
      text.erase(0, 1);
    }
    return std::string();
  };
  for (auto* option : get_options()) {
    if (option->get_expected_max() > 0) {
      option->transform(CLI::Validator(unmark, /*validator_desc=*/""));
    }
  }
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
  if (config_->count() > 0) {
    read_config_file(config_->as<std::string>(), *this);
    _process_callbacks();
    _process_requirements();
  }
}

void CommandApp::print_config() const {
  std::cout << config_text(*this, /*defaults=*/true);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

}  // namespace fmboost::tool
