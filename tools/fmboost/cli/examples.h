#pragma once

#include "cli/common_options.h"

namespace fmboost::tool {

/// Prints the prompts that the bundle lists, a line each, or {"prompt": ...} each with --json: what `--prompts -`
/// reads. Returns the exit code. Throws ModelError where the bundle lists none.
int print_examples(const RunOptions& run);

}  // namespace fmboost::tool
