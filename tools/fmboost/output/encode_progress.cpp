#include "output/encode_progress.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>

namespace fmboost::tool {
namespace {

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && !(term != nullptr && std::string_view(term) == "dumb");
}

std::string formatted(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

std::string to_text(const EncodeProgress& progress, double seconds) {
  std::string text = std::to_string(progress.images_done) + " of " + std::to_string(progress.images) +
                     " images, " + std::to_string(progress.shards_done) + " of " + std::to_string(progress.shards) +
                     " shards";
  // What an earlier run has done says nothing about this one's speed.
  if (progress.images_now > 0 && seconds > 0) {
    const double rate = static_cast<double>(progress.images_now) / seconds;
    text += ", " + formatted(rate < 10 ? "%.2f" : "%.0f", rate) + " images/s";
    if (progress.images_done < progress.images) {
      text += ", " + duration_text(static_cast<double>(progress.images - progress.images_done) / rate) + " left";
    }
  }
  return text;
}

EncodeProgressLine::EncodeProgressLine(bool quiet) : quiet_(quiet), terminal_(stderr_is_terminal()) {}

void EncodeProgressLine::show(const EncodeProgress& progress) {
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (quiet_ || (now - last_ < pause && progress.images_done < progress.images)) {
    return;
  }
  last_ = now;
  const std::string text = to_text(progress, std::chrono::duration<double>(now - start_).count());
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    drawn_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void EncodeProgressLine::clear() {
  if (drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

}  // namespace fmboost::tool
