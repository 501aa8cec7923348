#include <CLI/CLI.hpp>
#include <deque>
#include <exception>
#include <iostream>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "drawing/caption.h"
#include "fmboost_draw/options.h"
#include "fmboost_draw/output.h"

namespace fmboost::draw_tool {
namespace {

struct Command {
  const Kind& kind;
  CLI::App* app;
  Options options;
};

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto parsed = app.get_subcommands();
  return std::string(error.what()) + "; see `fmboost-draw " +
         (parsed.empty() ? std::string() : parsed.front()->get_name() + " ") + "--help`";
}

int draw(Command& command) {
  complete(command.kind, command.options);
  if (command.options.raw.empty()) {
    write_files(command.kind, command.options);
  } else {
    write_raw(command.kind, command.options);
  }
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("fmboost-draw draws synthetic training images from seeds, without photographs or fonts.",
               "fmboost-draw");
  app.set_version_flag("--version", std::string("fmboost-draw ") + FMBOOST_VERSION);
  app.require_subcommand(0, 1);
  const CLI::App* words = app.add_subcommand("words", "Print all words used in captions, sorted, one per line");
  std::deque<Command> commands;  // a deque: CLI11 keeps references to the options
  for (const auto& kind : kinds()) {
    commands.push_back({kind, app.add_subcommand(kind.name, kind.description), {}});
    add_options(*commands.back().app, kind, commands.back().options);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help and --version, on stdout
    }
    throw UsageError(usage_message(app, error));
  }
  if (words->parsed()) {
    for (const auto& word : drawing::caption_words()) {
      std::cout << word << '\n';
    }
    return 0;
  }
  for (auto& command : commands) {
    if (command.app->parsed()) {
      return draw(command);
    }
  }
  std::cout << app.help();
  return 0;
}

}  // namespace

int run(int argc, char** argv) {
  configure_logging(Verbosity::normal);
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& error) {
    log_error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    log_error(error.what());
    return static_cast<int>(ExitCode::runtime);
  }
}

}  // namespace fmboost::draw_tool

int main(int argc, char** argv) {
  return fmboost::draw_tool::run(argc, argv);
}
