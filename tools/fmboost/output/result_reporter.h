#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "fmboost/image/image.h"

#include "cli/common_options.h"
#include "output/progress_bar.h"

namespace fmboost::tool {

/// Makes the folder where it is not there yet. Throws Error when it cannot be written into.
void make_folder(const std::filesystem::path& folder);

/// Throws UsageError-like Error (exit 1) when the file exists and may not be overwritten, and creates its folder.
void check_output(const std::filesystem::path& file, const OutputOptions& options);

/// True when the file exists and is to be left out.
bool is_skipped(const std::filesystem::path& file, const OutputOptions& options);

/// Encodes by the path's suffix and writes atomically; "-" writes a PNG to stdout. Throws Error.
void write_image(const Image& image, const std::filesystem::path& file, const OutputOptions& options);

/// Counts and reports what became of each image: paths or JSON on stdout, failures on stderr.
class ResultReporter {
 public:
  ResultReporter(std::size_t images, const RunOptions& options, ProgressBar& bar);

  /// `fields` are the JSON line's keys besides `error`.
  void done(const std::filesystem::path& file, const nlohmann::json& fields);
  void failed(const std::string& what, const std::exception& error, nlohmann::json fields);
  void skipped(const std::filesystem::path& file);

  /// 0, the single item's own code, or 3 when some of several failed.
  int exit_code() const;

 private:
  std::size_t images_;
  const RunOptions& options_;
  ProgressBar& bar_;
  std::size_t failures_ = 0;
  int last_code_ = 0;
};

/// The exit code that an error stands for.
int exit_code_of(const std::exception& error);
/// Its message without LibTorch's internals.
std::string message_of(const std::exception& error);

}  // namespace fmboost::tool
