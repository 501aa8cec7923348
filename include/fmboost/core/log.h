#pragma once

#include <string>

namespace fmboost {

enum class Verbosity { quiet, normal, verbose };

/// Sends log lines to stderr, "warning: " and "error: " in front where they apply; colors only on a terminal
/// and not with NO_COLOR or TERM=dumb. quiet: errors only. verbose: debug lines too.
void configure_logging(Verbosity verbosity);

// spdlog does the work in log.cpp, and only there: LibTorch ships headers of another fmt than the distribution's
// spdlog.
void log_debug(const std::string& line);
void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

}  // namespace fmboost
