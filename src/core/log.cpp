#include "fmboost/core/log.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <string_view>
#include <utility>

#include "fmboost/core/log_filter.h"

namespace fmboost {
namespace {

bool colors_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && !(term != nullptr && std::string_view(term) == "dumb");
}

// The prefix "warning: " or "error: "; none for other levels.
class LevelPrefix final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    std::string_view prefix;
    if (message.level == spdlog::level::warn) {
      prefix = "warning: ";
    } else if (message.level >= spdlog::level::err) {
      prefix = "error: ";
    }
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelPrefix>(); }
};

std::atomic<bool> configured{false};

// spdlog's default logger, in effect before configure_logging(), writes to stdout.
std::function<std::string(const std::string&)>& log_filter() {
  static std::function<std::string(const std::string&)> filter;
  return filter;
}

// spdlog's own logger, which would be the one before configure_logging(), writes to stdout.
void write(spdlog::level::level_enum level, const std::string& line) {
  if (!configured) {
    configure_logging(Verbosity::normal);
  }
  spdlog::default_logger_raw()->log(level, log_filter() ? log_filter()(line) : line);
}

}  // namespace

void set_log_filter(std::function<std::string(const std::string& line)> filter) {
  log_filter() = std::move(filter);
}

void configure_logging(Verbosity verbosity) {
  const auto mode = colors_wanted() ? spdlog::color_mode::automatic : spdlog::color_mode::never;
  auto logger =
      std::make_shared<spdlog::logger>("fmboost", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(mode));
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('*').set_pattern("%^%*%$%v");
  logger->set_formatter(std::move(formatter));
  logger->set_level(verbosity == Verbosity::quiet     ? spdlog::level::err
                    : verbosity == Verbosity::verbose ? spdlog::level::debug
                                                      : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  configured = true;
}

void log_debug(const std::string& line) {
  write(spdlog::level::debug, line);
}
void log_info(const std::string& line) {
  write(spdlog::level::info, line);
}
void log_warning(const std::string& line) {
  write(spdlog::level::warn, line);
}
void log_error(const std::string& line) {
  write(spdlog::level::err, line);
}

}  // namespace fmboost
