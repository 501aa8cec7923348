#pragma once

#include "fmboost_draw/options.h"

namespace fmboost::draw_tool {

/// Writes PNG files and, for kinds with captions, captions.jsonl. Throws an Error that names the file that cannot be
/// written.
void write_files(const Kind& kind, const Options& options);

/// Writes pixels to stdout, and captions to --captions if given, until all is drawn or the reader closes the pipe.
void write_raw(const Kind& kind, const Options& options);

}  // namespace fmboost::draw_tool
