#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fmboost::tool {

/// CLI11's complaint about a command line as one sentence that offers the nearest name and names the help to read.
std::string usage_message(const CLI::App& program, const CLI::ParseError& error);

}  // namespace fmboost::tool
