#pragma once

#include "fmboost_draw/options.h"

namespace fmboost::draw_tool {

/// PNG files and, for kinds with captions, captions.jsonl. Throws Error naming the file that cannot be written.
void write_files(const Kind& kind, const Options& options);

/// Pixels to stdout, and captions if a file for them is named, until all is drawn or nobody reads any more.
void write_raw(const Kind& kind, const Options& options);

}  // namespace fmboost::draw_tool
