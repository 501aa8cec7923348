#pragma once

#include <CLI/CLI.hpp>

#include "fmboost/data/options.h"

namespace fmboost::tool {

/// Adds --degrade and the limits of its steps. The library checks the values.
void add_degradation_options(CLI::App& app, DegradationOptions& options, const char* group);

}  // namespace fmboost::tool
