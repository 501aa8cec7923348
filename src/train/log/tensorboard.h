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
/// Every call is on disk when it returns. Errors throw Error naming the file and the reason.
class TensorBoardWriter {
 public:
  /// Begins a file of its own in `folder`, which is created. `first_step` is the first one to come: a TensorBoard that
  /// is open drops what it has from there on.
  explicit TensorBoardWriter(const std::filesystem::path& folder, std::int64_t first_step = 0);
  ~TensorBoardWriter();

  void scalars(std::int64_t step, const std::map<std::string, double>& values);
  /// An image with `channels` 1, 3 or 4, as an encoded PNG.
  void image(std::int64_t step, const std::string& name, std::int64_t height, std::int64_t width, int channels,
               std::span<const std::byte> png);

  const std::filesystem::path& path() const;

 private:
  class File;
  std::unique_ptr<File> file_;
};

/// Cuts the event files of a folder back to steps up to `last_step`, and off what a killed run left half written.
/// A folder that is not there is fine.
void cut_event_files(const std::filesystem::path& folder, std::int64_t last_step);

}  // namespace fmboost
