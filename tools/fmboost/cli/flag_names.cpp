#include "cli/flag_names.h"

#include <algorithm>

namespace fmboost::tool {
namespace {

const CLI::App*& named_command() {
  static const CLI::App* command = nullptr;
  return command;
}

bool is_setting_name(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool has_flag(const CLI::App& command, const std::string& flag) {
  return command.get_option_no_throw(flag) != nullptr;
}

// The flag that stands for `name` followed by `rest` of the message; empty when the command has none. Takes a value
// that a negated flag implies off the rest.
std::string flag_for(const std::string& name, std::string& rest, const CLI::App& command) {
  constexpr std::string_view kFalse = " false";
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  const std::string negated = "--no-" + dashed;
  if (has_flag(command, negated) && rest.starts_with(kFalse)) {
    rest.erase(0, kFalse.size());
    return negated;
  }
  if (has_flag(command, "--" + dashed)) {
    return "--" + dashed;
  }
  return has_flag(command, negated) ? negated : "";
}

}  // namespace

std::string with_flag_names(const std::string& message, const CLI::App& command) {
  std::string result;
  std::string rest = message;
  for (std::size_t open = rest.find('`'); open != std::string::npos; open = rest.find('`')) {
    const std::size_t close = rest.find('`', open + 1);
    if (close == std::string::npos) {
      break;
    }
    const std::string quoted = rest.substr(open + 1, close - open - 1);
    std::string after = rest.substr(close + 1);
    const std::string flag = is_setting_name(quoted) ? flag_for(quoted, after, command) : "";
    result += rest.substr(0, open) + (flag.empty() ? "`" + quoted + "`" : flag);
    rest = after;
  }
  return result + rest;
}

void name_flags_of(const CLI::App& command) {
  named_command() = &command;
}

std::string with_flag_names(const std::string& message) {
  return named_command() == nullptr ? message : with_flag_names(message, *named_command());
}

}  // namespace fmboost::tool
