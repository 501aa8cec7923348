#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace fmboost::tool {

/// Precedes an argument that begins with a bracket: CLI11 would take "[a, b]" for a list and "[a]" for "a". Commands
/// take it off.
inline constexpr char kLiteralMark = '\x01';

/// A command that runs, with --config FILE and --print-config.
class CommandApp final : public CLI::App {
 public:
  CommandApp(const std::string& description, const std::string& name);

  /// Takes kLiteralMark off the arguments of all options. Called once all are added.
  void read_brackets_literally();
  /// Makes integer options accept only decimal digits, and refuse what does not fit. Called once all are added.
  void read_numbers_strictly();

  /// Fills the options that the command line left open from the file that --config names. Throws UsageError or
  /// CLI::ParseError.
  void read_config();

  bool config_print_requested() const { return print_config_->count() > 0; }
  /// Writes the options that were given and those with a default to stdout, as TOML.
  void print_config() const;

 private:
  CLI::Option* config_;
  CLI::Option* print_config_;
};

/// "--size" and so on.
std::vector<std::string> option_names(const CLI::App& app);

}  // namespace fmboost::tool
