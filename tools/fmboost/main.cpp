#include "command.h"
#include "nearest.h"

#include <ATen/Version.h>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <torch/version.h>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/pipeline/memory_plan.h"

namespace fmboost::tool {
namespace {

constexpr Command kCommands[] = {
    {"generate", "Draw pictures from prompts", add_generate},
    {"upscale", "Enlarge existing pictures", add_upscale},
    {"inspect", "Show what a bundle, a weight file or one of our pictures is", add_inspect},
    {"devices", "Show what this machine offers, and what `auto` takes", add_devices},
};

std::vector<std::string>& stored_arguments() {
  static std::vector<std::string> arguments;
  return arguments;
}

std::string version_text() {
  std::string cuda = "none";
#ifdef FMBOOST_CUDA_VERSION
  cuda = FMBOOST_CUDA_VERSION;
#endif
  return std::string("fmboost ") + FMBOOST_VERSION + "\nLibTorch " + TORCH_VERSION + "\nCUDA " + cuda;
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

// CLI11 lists what it did not understand; a user wants to know what they may have meant.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto parsed = app.get_subcommands();
  const CLI::App& command = parsed.empty() ? app : *parsed.front();
  const std::string help = parsed.empty() ? "fmboost --help" : "fmboost " + command.get_name() + " --help";
  std::vector<std::string> extras = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr || extras.empty()) {
    return std::string(error.what()) + "; see `" + help + "`";
  }
  const std::string word = extras.front().substr(0, extras.front().find('='));
  std::vector<std::string> candidates = option_names(command);
  std::string kind = "option";
  if (word.empty() || word.front() != '-') {
    kind = parsed.empty() ? "command" : "argument";
    candidates.clear();
    for (const auto& known : kCommands) {
      candidates.emplace_back(known.name);
    }
  }
  const std::string guess = kind == "argument" ? "" : nearest(word, candidates);
  return "unknown " + kind + " '" + word + "'" + (guess.empty() ? "" : "; did you mean '" + guess + "'?") + " See `" +
         help + "`";
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("fmboost draws and enlarges pictures with latent diffusion boosted by coupling flow matching.",
               "fmboost");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(0, 1);
  std::function<int()> chosen;
  for (const auto& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.description);
    sub->set_config("--config", "", "Read options from a TOML or INI file");
    auto run = command.add(*sub);
    sub->parse_complete_callback([&chosen, run] { chosen = run; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help and --version, on stdout
    }
    throw UsageError(usage_message(app, error));
  }
  if (!chosen) {
    std::cout << app.help();
    return 0;
  }
  return chosen();
}

int report(const std::exception& error) {
  int code = static_cast<int>(ExitCode::runtime);
  std::string text = error.what();
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    code = static_cast<int>(known->code());
  } else if (is_out_of_memory(error)) {
    code = static_cast<int>(ExitCode::memory);
    text = "memory ran out; ask for a smaller size, --tile or --batch-size";
  } else if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    text = torch_error->what_without_backtrace();
    text = text.substr(0, text.find('\n'));
  }
  log_error(text);
  log_debug(error.what());
  return code;
}

}  // namespace

const std::vector<std::string>& arguments() {
  return stored_arguments();
}

int run(int argc, char** argv) {
  stored_arguments().assign(argv + 1, argv + argc);
  configure_logging(Verbosity::normal);
  install_interrupt_handlers();
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    return report(error);
  }
}

}  // namespace fmboost::tool

int main(int argc, char** argv) {
  return fmboost::tool::run(argc, argv);
}
