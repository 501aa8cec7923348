#include "cli/usage_errors.h"

#include <vector>

#include "cli/command_app.h"
#include "cli/suggestions.h"

namespace fmboost::tool {
namespace {

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// The innermost command that the command line reached; the program itself when it reached none.
const CLI::App& parsed_command(const CLI::App& program) {
  const CLI::App* command = &program;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
  }
  return *command;
}

// "fmboost eval fid"
std::string full_name(const CLI::App& command) {
  const auto* parent = command.get_parent();
  return (parent == nullptr ? "" : full_name(*parent) + " ") + command.get_name();
}

bool lacks_subcommand(const CLI::App& command, const CLI::ParseError& error) {
  return !subcommand_names(command).empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
}

std::string plain_message(const CLI::App& command, const CLI::ParseError& error) {
  if (lacks_subcommand(command, error)) {
    return full_name(command) + " needs one of the commands " + CLI::detail::join(subcommand_names(command), ", ");
  }
  const std::string text = error.what();
  const auto repeated = text.find(": At Most 1 required");
  return repeated == std::string::npos ? text : text.substr(0, repeated) + " is given more than once";
}

}  // namespace

std::string usage_message(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& command = parsed_command(program);
  const std::string help = "`" + full_name(command) + " --help`";
  const std::vector<std::string> extras = program.remaining(true);
  const auto subcommands = subcommand_names(command);
  // An unknown subcommand is an extra argument, but CLI11 first complains that one is missing.
  const bool unknown = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || lacks_subcommand(command, error);
  if (!unknown || extras.empty()) {
    return plain_message(command, error) + "; see " + help;
  }
  const std::string word = extras.front().substr(0, extras.front().find('='));
  const bool option = word.starts_with('-');
  const auto candidates = option ? option_names(command) : subcommands;
  const std::string guess = nearest(word, candidates);
  std::string hint = guess.empty() ? "." : "; did you mean '" + guess + "'?";
  if (!option && command.get_option_no_throw("--prompt") != nullptr) {
    hint = "; put the prompt in quotes after -p.";
  }
  const std::string kind = option ? "option" : subcommands.empty() ? "argument" : "command";
  return "unknown " + kind + " '" + word + "'" + hint + " See " + help;
}

}  // namespace fmboost::tool
