#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fmboost/image/encode.h"
#include "fmboost/image/image.h"

#include "cli/common_options.h"
#include "output/failure.h"
#include "output/progress_bar.h"

namespace fmboost::tool {

/// Creates the folder if it is missing. Throws Error when it is not writable.
void make_folder(const std::filesystem::path& folder);

/// Creates the folder of the file. Throws Error when the file exists and must not be overwritten.
void check_output(const std::filesystem::path& file, const OutputOptions& options);

/// True when the file exists and must be skipped.
bool is_skipped(const std::filesystem::path& file, const OutputOptions& options);

/// How a file is encoded: by the path's suffix; "-" is a PNG. Throws UsageError for another suffix.
EncodeOptions encoding_of(const std::filesystem::path& file, const OutputOptions& options);

/// Encodes and writes atomically, or to stdout for "-". A warning names what the format cannot hold. Throws Error.
void write_image(const Image& image, const std::filesystem::path& file, const OutputOptions& options);

/// Counts and reports the result of each image: paths or JSON on stdout, failures on stderr. Used from one thread.
class ResultReporter {
 public:
  /// `images`: their number; open for a stream.
  ResultReporter(std::optional<std::size_t> images, const RunOptions& options, ProgressBar& bar);

  /// `fields` are the keys of the JSON line except `output` and `error`.
  void done(const std::filesystem::path& file, const nlohmann::json& fields);
  void failed(const std::string& what, const Failure& failure, nlohmann::json fields);
  void skipped(const std::filesystem::path& file, const std::string& reason);

  /// 0, the single item's own code, or 3 when some of several failed.
  int exit_code() const;

 private:
  std::optional<std::size_t> images_;
  const RunOptions& options_;
  ProgressBar& bar_;
  std::size_t results_ = 0;
  std::size_t failures_ = 0;
  int last_code_ = 0;
};

/// The exit code of an error.
int exit_code_of(const std::exception& error);
/// Its message, with flags for settings and without LibTorch's internals.
std::string message_of(const std::exception& error);

}  // namespace fmboost::tool
