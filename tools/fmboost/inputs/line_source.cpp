#include "inputs/line_source.h"

#include <algorithm>
#include <array>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost::tool {

LineSource::LineSource(const std::string& file) : name_(file == "-" ? "stdin" : "'" + file + "'") {
  if (file != "-") {
    text_ = read_text_file(file);
    complete_ = true;
    check_encoding();
  }
}

void LineSource::read_more() {
  std::array<std::byte, 4096> buffer;
  const std::size_t count = read_available(STDIN_FILENO, buffer);
  complete_ = count == 0;
  text_.erase(0, std::exchange(at_, 0));
  text_.append(reinterpret_cast<const char*>(buffer.data()), count);
  check_encoding();
}

// Once the first bytes are there.
void LineSource::check_encoding() {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  constexpr std::size_t kLooked = 4;
  if (checked_ || (!complete_ && text_.size() < kLooked)) {
    return;
  }
  checked_ = true;
  const bool marked = text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff");
  const auto zeros_at = [&](std::size_t i) {
    return text_.size() >= kLooked && text_[i] == '\0' && text_[i + 2] == '\0';
  };
  if (marked || zeros_at(0) || zeros_at(1)) {
    throw UsageError(name_ + " is UTF-16 text; save it as UTF-8");
  }
  if (text_.starts_with(kMark)) {
    text_.erase(0, kMark.size());
  }
}

std::optional<std::string> LineSource::next() {
  while (!has_line()) {
    read_more();
  }
  if (at_ == text_.size()) {
    return std::nullopt;
  }
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  std::string line = text_.substr(at_, end - at_);
  at_ = std::min(end + 1, text_.size());
  ++number_;
  if (!line.empty() && line.back() == '\r') {
    line.pop_back();
  }
  return line;
}

std::string LineSource::rest() {
  while (!complete_) {
    read_more();
  }
  return text_.substr(std::exchange(at_, text_.size()));
}

bool LineSource::would_wait() const {
  if (has_line()) {
    return false;
  }
  pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 0;
}

}  // namespace fmboost::tool
