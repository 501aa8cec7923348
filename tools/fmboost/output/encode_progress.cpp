#include "output/encode_progress.h"

#include <cstdio>
#include <string>

#include "output/terminal.h"

namespace fmboost::tool {
namespace {

std::string formatted(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string to_text(const EncodeProgress& progress, double seconds) {
  std::string text = std::to_string(progress.images_done) + " of " + std::to_string(progress.images) + " images, " +
                     std::to_string(progress.shards_done) + " of " + std::to_string(progress.shards) + " shards";
  // Images of an earlier run do not count towards the speed of this one.
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
