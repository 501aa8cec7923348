#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

namespace fmboost::tool {

/// One command: either it runs, or it has subcommands that do.
struct Command {
  const char* name;
  const char* description;
  /// Adds the options to `app` and returns what runs the command once they are parsed. The result is the exit code;
  /// errors are thrown.
  std::function<int()> (*add)(CLI::App& app) = nullptr;
  std::vector<Command> subcommands = {};
};

std::function<int()> add_generate(CLI::App& app);
std::function<int()> add_upscale(CLI::App& app);
std::function<int()> add_sheet(CLI::App& app);
std::function<int()> add_train(CLI::App& app);
std::function<int()> add_encode(CLI::App& app);
std::function<int()> add_eval_pairs(CLI::App& app);
std::function<int()> add_eval_upscale(CLI::App& app);
std::function<int()> add_eval_fid(CLI::App& app);
std::function<int()> add_import(CLI::App& app);
std::function<int()> add_inspect(CLI::App& app);
std::function<int()> add_devices(CLI::App& app);

}  // namespace fmboost::tool
