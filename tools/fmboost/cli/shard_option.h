#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "inputs/prompts.h"

namespace fmboost::tool {

void add_shard_option(CLI::App& app, std::string& shard);

/// "I/N", or "slurm": the task's place in its Slurm array job. Throws UsageError.
Shard resolve_shard(const std::string& text);

}  // namespace fmboost::tool
