#pragma once

#include "cli/common_options.h"

namespace fmboost::tool {

/// Prints the bundle's example prompts, one per line, with --json as {"prompt": ...}; `--prompts -` reads both. Returns
/// the exit code. Throws ModelError when the bundle lists none.
int print_examples(const RunOptions& run);

}  // namespace fmboost::tool
