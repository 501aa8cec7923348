#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fmboost::tool {

/// Replaces the settings that a message names in backticks by flags, where `command` has them: `flow_steps` becomes
/// --flow-steps, `upscale` false becomes --no-upscale. The library names no flags, since it has none.
std::string with_flag_names(const std::string& message, const CLI::App& command);

/// The command whose flags warnings and errors name from now on. It must outlive all of them.
void name_flags_of(const CLI::App& command);
/// The message with the flags of that command; unchanged before a command has been chosen.
std::string with_flag_names(const std::string& message);

}  // namespace fmboost::tool
