#pragma once

#include <optional>
#include <string>

namespace fmboost::tool {

/// The lines of a file, or of stdin for "-", without their ends (\n or \r\n) and without a byte order mark.
class LineSource {
 public:
  /// Reads a file at once. Throws Error.
  explicit LineSource(const std::string& file);

  /// The next line; none at the end. Waits for stdin. Throws UsageError for UTF-16.
  std::optional<std::string> next();
  /// Everything that is left.
  std::string rest();
  /// The number of the line that next() returned last, from 1.
  int number() const { return number_; }
  /// Whether it is known that no line is left.
  bool ended() const { return complete_ && at_ == text_.size(); }
  /// Whether next() would wait.
  bool would_wait() const;

 private:
  bool has_line() const { return complete_ || text_.find('\n', at_) != std::string::npos; }
  void read_more();
  void check_encoding();

  std::string name_;
  std::string text_;
  std::size_t at_ = 0;  ///< what is before has been returned
  bool complete_ = false;
  bool checked_ = false;
  int number_ = 0;
};

}  // namespace fmboost::tool
