#include <ATen/detail/CUDAHooksInterface.h>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <torch/version.h>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"

#include "cli/command_app.h"
#include "cli/suggestions.h"
#include "commands/command.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

constexpr Command kCommands[] = {
    {"generate", "Draw images from prompts", add_generate},
    {"upscale", "Upscale existing images", add_upscale},
    {"import", "Turn a Stable Diffusion checkpoint into a bundle", add_import},
    {"train", "Train a coupling on your own images", add_train},
    {"encode", "Turn images into latents to train on", add_encode},
    {"eval", "Measure how good images are, or an upscaled image", add_eval},
    {"inspect", "Show what a bundle, a weight file or one of our images is", add_inspect},
    {"devices", "Show what this machine offers, and what `auto` takes", add_devices},
};

std::vector<std::string>& stored_arguments() {
  static std::vector<std::string> arguments;
  return arguments;
}

// The CUDA that LibTorch was built with, "13.0"; LibTorch without CUDA throws when it is asked.
std::string cuda_version() {
  try {
    const long version = at::detail::getCUDAHooks().versionCUDART();
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  } catch (const c10::Error&) {
    return "none";
  }
}

std::string version_text() {
  return std::string("fmboost ") + FMBOOST_VERSION + "\nLibTorch " + TORCH_VERSION + "\nCUDA " + cuda_version();
}

// CLI11 lists what it did not understand; a user wants to know what they may have meant.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto parsed = app.get_subcommands();
  const auto* command = parsed.empty() ? nullptr : dynamic_cast<const CommandApp*>(parsed.front());
  const std::string help = command == nullptr ? "fmboost --help" : "fmboost " + command->get_name() + " --help";
  std::vector<std::string> extras = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr || extras.empty()) {
    const std::string text = error.what();
    const auto repeated = text.find(": At Most 1 required");
    return (repeated == std::string::npos ? text : text.substr(0, repeated) + " is given more than once") + "; see `" +
           help + "`";
  }
  const std::string word = extras.front().substr(0, extras.front().find('='));
  std::vector<std::string> candidates =
      command == nullptr ? std::vector<std::string>{"--help", "--version"} : command->option_names();
  std::string kind = "option";
  if (word.empty() || word.front() != '-') {
    kind = command == nullptr ? "command" : "argument";
    candidates.clear();
    for (const auto& known : kCommands) {
      candidates.emplace_back(known.name);
    }
  }
  std::string hint = kind == "argument" ? "" : nearest(word, candidates);
  hint = hint.empty() ? "." : "; did you mean '" + hint + "'?";
  if (kind == "argument" && command->get_option_no_throw("--prompt") != nullptr) {
    hint = "; a prompt goes after -p, in quotes.";
  }
  return "unknown " + kind + " '" + word + "'" + hint + " See `" + help + "`";
}

// CLI11 would take the argument after "--prompt=" for the prompt.
std::vector<std::string> with_empty_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  for (const auto& argument : arguments) {
    const bool empty = argument.starts_with("--") && argument.ends_with('=');
    result.push_back(empty ? argument.substr(0, argument.size() - 1) : argument);
    if (empty) {
      result.emplace_back();
    }
  }
  return result;
}

int parse_and_run() {
  CLI::App app("fmboost draws and upscales images with latent diffusion upscaled by coupling flow matching.",
               "fmboost");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(0, 1);
  std::function<int()> chosen;
  for (const auto& command : kCommands) {
    auto sub = std::make_shared<CommandApp>(command.description, command.name);
    app.add_subcommand(sub);
    auto run = command.add(*sub);
    sub->read_numbers_strictly();
    sub->parse_complete_callback([&chosen, sub = sub.get(), run] {
      sub->read_config();
      chosen = run;
      if (sub->wants_config_printed()) {
        chosen = [sub] {
          sub->print_config();
          return 0;
        };
      }
    });
  }
  try {
    app.parse(std::vector<std::string>(arguments().rbegin(), arguments().rend()));  // CLI11 takes them reversed
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
  const auto run = chosen;  // --from parses once more, which sets it anew
  return run();
}

int report(const std::exception& error) {
  log_error(message_of(error));
  log_debug(error.what());
  return exit_code_of(error);
}

// Every layer allocates what the one before it has just freed. glibc would give it back to the kernel in between, which
// clears its pages anew each time: a sixth of the time of a denoising step. The largest pieces still go back, since
// what is kept is full of gaps; available_memory() gives back the rest.
void keep_freed_memory() {
  return_freed_memory(/*block=*/128 << 20, /*heap_end=*/1 << 30);
}

// What could not be written to stdout is missing there, however well the rest went.
int checked_stdout(int code) {
  std::cout.flush();
  if (std::cout || code != 0) {
    return code;
  }
  log_error("cannot write to stdout");
  return static_cast<int>(ExitCode::runtime);
}

}  // namespace

const std::vector<std::string>& arguments() {
  return stored_arguments();
}

int run(int argc, char** argv) {
  keep_freed_memory();
  stored_arguments() = with_empty_values({argv + 1, argv + argc});
  configure_logging(Verbosity::normal);
  install_interrupt_handlers();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is then an error like a full disk
  try {
    return checked_stdout(parse_and_run());
  } catch (const std::exception& error) {
    return report(error);
  }
}

}  // namespace fmboost::tool

int main(int argc, char** argv) {
  return fmboost::tool::run(argc, argv);
}
