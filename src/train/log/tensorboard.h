#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace fmboost {

/// Writes an event file that TensorBoard reads: records of Event messages
/// (https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto, event.proto and summary.proto).
/// Every call returns after writing to disk. Errors throw Error naming the file and the reason.
class TensorBoardWriter {
 public:
  /// Creates a new file in `folder`, which is created if needed. `first_step` is the first step that will be written: a
  /// running TensorBoard discards what it has from there on.
  explicit TensorBoardWriter(const std::filesystem::path& folder, std::int64_t first_step = 0);
  ~TensorBoardWriter();

  void scalars(std::int64_t step, const std::map<std::string, double>& values);
  /// An image with `channels` 1, 3 or 4, as an encoded PNG.
  void image(std::int64_t step, const std::string& name, std::int64_t height, std::int64_t width, int channels,
             std::span<const std::byte> png);

 private:
  class File;
  std::unique_ptr<File> file_;
};

/// Truncates the event files of a folder after `last_step`, or before a record that a killed run left incomplete. The
/// folder need not exist.
void cut_event_files(const std::filesystem::path& folder, std::int64_t last_step);

}  // namespace fmboost
