#pragma once

#include <string>

namespace fmboost {

enum class Verbosity { quiet, normal, verbose };

/// Sends log lines to stderr, with the prefix "warning: " or "error: " where it applies. Colors are used only on a
/// terminal, and not with NO_COLOR or TERM=dumb. quiet: errors only. verbose: debug lines as well.
void configure_logging(Verbosity verbosity);

// Only log.cpp includes spdlog: LibTorch ships headers of a different fmt version than the distribution's spdlog uses.
void log_debug(const std::string& line);
void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

}  // namespace fmboost
