#pragma once

#include <string>

namespace fmboost::tool {

/// True if stderr can redraw a line.
bool stderr_is_terminal();

/// "1:02:03" or "2:03"
std::string duration_text(double seconds);

}  // namespace fmboost::tool
