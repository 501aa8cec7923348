#include <ATen/detail/CUDAHooksInterface.h>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <memory>
#include <string>
#include <torch/version.h>
#include <unistd.h>
#include <vector>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/core/log_filter.h"
#include "fmboost/core/memory_probe.h"

#include "cli/command_app.h"
#include "cli/flag_names.h"
#include "cli/help_formatter.h"
#include "cli/option_groups.h"
#include "cli/usage_errors.h"
#include "commands/command.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

const std::vector<Command>& commands() {
  static const std::vector<Command> all{
      {"generate", "Generate images from prompts", add_generate},
      {"upscale", "Upscale existing images", add_upscale},
      {"sheet", "Draw a contact sheet of a batch", add_sheet},
      {"import", "Convert a Stable Diffusion checkpoint to a bundle", add_import},
      {"train", "Train a coupling on your own images", add_train},
      {"encode", "Encode images to shards of latents for training", add_encode},
      {"eval",
       "Measure the quality of images, or of upscaling",
       nullptr,
       {{"pairs", "Compare the images of one folder with those of the same name in another", add_eval_pairs},
        {"upscale", "Downsample originals, upscale them again and compare the results with the originals",
         add_eval_upscale},
        {"fid", "Compute FID and patch-FID of two sets of images", add_eval_fid}}},
      {"inspect", "Describe a bundle, a weight file, shards or a generated image", add_inspect},
      {"devices", "List the devices of this machine, and the one that `auto` selects", add_devices},
  };
  return all;
}

// The CUDA version that LibTorch was built with, such as "13.0"; a LibTorch without CUDA throws.
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

// The position of an argument's value: behind "--name=" or "-n", otherwise its beginning.
std::size_t value_position(const std::string& argument) {
  if (argument.starts_with("--")) {
    const std::size_t equals = argument.find('=');
    return equals == std::string::npos ? argument.size() : equals + 1;
  }
  return argument.size() > 2 && argument.front() == '-' ? 2 : 0;
}

// CLI11 would read the argument after "--prompt=" as the prompt, and "[a, b]" as a list of two inputs.
std::vector<std::string> for_parser(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  bool options = true;
  for (auto argument : arguments) {
    const bool empty = options && argument.starts_with("--") && argument.ends_with('=');
    options = options && argument != "--";
    const std::size_t value = options ? value_position(argument) : 0;
    if (value < argument.size() && argument[value] == '[') {
      argument.insert(value, 1, kLiteralMark);
    }
    result.push_back(empty ? argument.substr(0, argument.size() - 1) : argument);
    if (empty) {
      result.emplace_back();
    }
  }
  return result;
}

int report(const std::exception& error) {
  log_error(message_of(error));
  log_debug(error.what());
  const int code = exit_code_of(error);
  const bool interrupted = code == static_cast<int>(ExitCode::interrupted) && interrupt_signal() != 0;
  return interrupted ? 128 + interrupt_signal() : code;
}

void add_commands(CLI::App& parent, const std::vector<Command>& commands, std::function<int()>& chosen) {
  for (const auto& command : commands) {
    if (command.add == nullptr) {
      auto* group = parent.add_subcommand(command.name, command.description)->group("Commands");
      group->get_help_ptr()->group(kGeneralGroup);
      group->require_subcommand(1);
      add_commands(*group, command.subcommands, chosen);
      continue;
    }
    auto app = std::make_shared<CommandApp>(command.description, command.name);
    app->group("Commands");
    app->formatter(parent.get_formatter());
    parent.add_subcommand(app);
    auto run = command.add(*app);
    app->read_numbers_strictly();
    app->read_brackets_literally();
    app->parse_complete_callback([&chosen, app = app.get(), run] {
      name_flags_of(*app);
      app->read_config();
      chosen = run;
      if (app->config_print_requested()) {
        chosen = [app] {
          app->print_config();
          return 0;
        };
      }
    });
  }
}

/// The program's command line. It outlives the run, since messages name its flags.
class Program {
 public:
  Program();

  int run(const std::vector<std::string>& arguments);

 private:
  CLI::App app_{"fmboost generates and upscales images: latent diffusion with coupling flow matching.", "fmboost"};
  std::function<int()> chosen_;
};

Program::Program() {
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.get_help_ptr()->group(kGeneralGroup);
  app_.set_version_flag("--version", version_text())->group(kGeneralGroup);
  app_.require_subcommand(0, 1);
  app_.footer(
      "Exit codes: 0 success, 1 runtime error, 2 usage error, 3 some of several items failed, 4 bad model, 5 out of\n"
      "memory, 130 interrupted (143 by SIGTERM).");
  add_commands(app_, commands(), chosen_);
}

int Program::run(const std::vector<std::string>& arguments) {
  try {
    app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them reversed
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app_.exit(error);  // --help and --version, on stdout
    }
    std::string message = usage_message(app_, error);
    std::erase(message, kLiteralMark);
    throw UsageError(message);
  }
  if (!chosen_) {
    std::cout << app_.help();
    return 0;
  }
  return chosen_();
}

// Every layer allocates what the one before it has just freed. If glibc returned it to the kernel in between, the
// kernel would clear its pages again each time: a sixth of the time of a denoising step. The largest blocks are still
// returned, because the retained heap fragments; available_memory() returns the rest.
void keep_freed_memory() {
  return_freed_memory(/*block=*/128 << 20, /*heap_end=*/1 << 30);
}

// Output that could not be written to stdout is a failure even if everything else succeeded.
int checked_stdout(int code) {
  std::cout.flush();
  if (std::cout || code != 0) {
    return code;
  }
  log_error("cannot write to stdout");
  return static_cast<int>(ExitCode::runtime);
}

// A file that is opened must not get the number of a standard stream that was closed: what is printed would go into it.
// Writing to the substitute fails, as it does to a closed stream.
void keep_standard_streams() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) < 0 && ::open("/dev/null", O_RDONLY) < 0) {
      return;
    }
  }
}

}  // namespace

int run(int argc, char** argv) {
  keep_standard_streams();
  keep_freed_memory();
  configure_logging(Verbosity::normal);
  set_log_filter([](const std::string& line) { return with_flag_names(line); });
  install_interrupt_handlers();
  std::signal(SIGXFSZ, SIG_IGN);  // exceeding the file size limit is then a write error, like a full disk
  std::signal(SIGPIPE, SIG_IGN);  // a reader of stdout that leaves early must not cost the images
  Program program;
  try {
    return checked_stdout(program.run(for_parser({argv + 1, argv + argc})));
  } catch (const std::exception& error) {
    return report(error);
  }
}

}  // namespace fmboost::tool

int main(int argc, char** argv) {
  return fmboost::tool::run(argc, argv);
}
