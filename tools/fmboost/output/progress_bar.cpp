#include "output/progress_bar.h"

#include <algorithm>
#include <cstdio>

#include "output/terminal.h"

namespace fmboost::tool {
ProgressBar::ProgressBar(std::size_t images, bool quiet)
    : images_(images), quiet_(quiet), terminal_(stderr_is_terminal()) {}

ProgressBar::~ProgressBar() {
  clear();
}

ProgressCallback ProgressBar::callback() {
  return [this](const std::string& stage, std::int64_t done, std::int64_t total) { update(stage, done, total); };
}

void ProgressBar::image_done() {
  ++finished_;
}

void ProgressBar::clear() {
  if (drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

void ProgressBar::update(const std::string& stage, std::int64_t done, std::int64_t total) {
  const auto now = Clock::now();
  if (stage != stage_) {
    stage_ = stage;
    stage_start_ = now;
  }
  if (quiet_) {
    return;
  }
  if (terminal_) {
    // Ten times a second is enough; the last step of a stage is always shown.
    if (done == total || now - last_draw_ > std::chrono::milliseconds(100)) {
      last_draw_ = now;
      draw(stage, done, total);
    }
  } else if (done == total) {
    std::fprintf(stderr, "image %zu of %zu: %s, %lld steps\n", finished_ + 1, images_, stage.c_str(),
                 static_cast<long long>(total));
  }
}

void ProgressBar::draw(const std::string& stage, std::int64_t done, std::int64_t total) {
  constexpr std::int64_t kWidth = 24;
  const std::int64_t filled = total > 0 ? kWidth * done / total : 0;
  const std::string bar =
      std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(kWidth - filled), '.');
  std::string eta;
  if (finished_ > 0 && images_ > finished_) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    eta = "  total left " +
          duration_text(elapsed / static_cast<double>(finished_) * static_cast<double>(images_ - finished_));
  } else if (done > 0 && done < total) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - stage_start_).count();
    eta = "  " + duration_text(elapsed / static_cast<double>(done) * static_cast<double>(total - done));
  }
  std::fprintf(stderr, "\r\033[K[%zu/%zu] %-8s [%s] %lld/%lld%s", finished_ + 1, images_, stage.c_str(), bar.c_str(),
               static_cast<long long>(done), static_cast<long long>(total), eta.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace fmboost::tool
