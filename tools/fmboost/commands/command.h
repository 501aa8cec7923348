#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace fmboost::tool {

/// One subcommand: adds its options to `app` and returns what runs it once they are parsed.
/// The result is the exit code; errors are thrown.
struct Command {
  const char* name;
  const char* description;
  std::function<int()> (*add)(CLI::App& app);
};

std::function<int()> add_generate(CLI::App& app);
std::function<int()> add_upscale(CLI::App& app);
std::function<int()> add_train(CLI::App& app);
std::function<int()> add_encode(CLI::App& app);
std::function<int()> add_eval(CLI::App& app);
std::function<int()> add_import(CLI::App& app);
std::function<int()> add_inspect(CLI::App& app);
std::function<int()> add_devices(CLI::App& app);

/// The arguments as the user gave them, for commands that parse them a second time over other defaults.
const std::vector<std::string>& arguments();

}  // namespace fmboost::tool
