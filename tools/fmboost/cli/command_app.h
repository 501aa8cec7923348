#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace fmboost::tool {

/// A subcommand with --config FILE and --print-config. CLI11 reads configuration files for the main program alone, and
/// would want the command's name in front of every key.
class CommandApp final : public CLI::App {
 public:
  CommandApp(const std::string& description, const std::string& name);

  /// Makes options of whole numbers take decimal digits alone, and refuse what does not fit. Called once all are added.
  void read_numbers_strictly();

  /// Fills the options that the command line left open from the file that --config names. Throws UsageError naming an
  /// unknown key and the one it may have meant, CLI::ParseError for other faults.
  void read_config();

  bool wants_config_printed() const { return print_config_->count() > 0; }
  /// Writes what was given and what has a default, each under its description, as TOML.
  void print_config() const;

  /// "--size" and so on.
  std::vector<std::string> option_names() const;

 private:
  CLI::Option* print_config_;
};

}  // namespace fmboost::tool
