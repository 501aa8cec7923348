#include "output/progress_bar.h"

#include <algorithm>
#include <cstdio>

#include "output/terminal.h"

namespace fmboost::tool {
ProgressBar::ProgressBar(std::optional<std::size_t> images, bool quiet)
    : images_(images), quiet_(quiet), terminal_(stderr_is_terminal()) {}

ProgressBar::~ProgressBar() {
  clear();
}

ProgressCallback ProgressBar::callback() {
  return [this](const std::string& stage, std::int64_t done, std::int64_t total) { update(stage, done, total); };
}

void ProgressBar::image_done() {
  const std::lock_guard lock(mutex_);
  ++finished_;
}

void ProgressBar::image_skipped() {
  const std::lock_guard lock(mutex_);
  ++finished_;
  ++skipped_;
}

void ProgressBar::clear() {
  const std::lock_guard lock(mutex_);
  erase();
}

void ProgressBar::erase() {
  if (drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

// "3 of 40", or "3" when nobody knows how many there will be.
std::string ProgressBar::position(const std::string& separator) const {
  return std::to_string(finished_ + 1) + (images_ ? separator + std::to_string(*images_) : "");
}

void ProgressBar::update(const std::string& stage, std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
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
    std::fprintf(stderr, "image %s: %s, %lld steps\n", position(" of ").c_str(), stage.c_str(),
                 static_cast<long long>(total));
  }
}

void ProgressBar::draw(const std::string& stage, std::int64_t done, std::int64_t total) {
  constexpr std::int64_t kWidth = 24;
  const std::int64_t filled = total > 0 ? kWidth * done / total : 0;
  const std::string bar =
      std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(kWidth - filled), '.');
  std::fprintf(stderr, "\r\033[K[%s] %-8s [%s] %lld/%lld%s", position("/").c_str(), stage.c_str(), bar.c_str(),
               static_cast<long long>(done), static_cast<long long>(total), time_left(done, total).c_str());
  std::fflush(stderr);
  drawn_ = true;
}

// Of the whole batch once an image is finished, of the stage before.
std::string ProgressBar::time_left(std::int64_t done, std::int64_t total) const {
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const std::size_t worked = finished_ - skipped_;
  if (worked > 0 && images_ && *images_ > finished_) {
    const double each = seconds_since(start_) / static_cast<double>(worked);
    return "  total left " + duration_text(each * static_cast<double>(*images_ - finished_));
  }
  if (done > 0 && done < total) {
    return "  " +
           duration_text(seconds_since(stage_start_) / static_cast<double>(done) * static_cast<double>(total - done));
  }
  return "";
}

}  // namespace fmboost::tool
