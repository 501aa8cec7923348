#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fmboost::tool {

/// Gives `command` the settings of a TOML file, except for options that the command line gave. Keys are long option
/// names. Keys at the top level are for the running command, whichever it is; those in a section [generate] or
/// [eval.fid] only for that command. Throws UsageError naming an unknown key and the nearest known one.
void read_config_file(const std::string& file, CLI::App& command);

/// The options that were given as TOML, and with `defaults` also those that have a default, each under its description.
std::string config_text(const CLI::App& command, bool defaults);

}  // namespace fmboost::tool
