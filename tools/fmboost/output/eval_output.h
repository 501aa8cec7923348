#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <torch/types.h>
#include <vector>

#include "cli/common_options.h"
#include "inputs/image_inputs.h"
#include "output/quality_report.h"
#include "output/result_reporter.h"

namespace fmboost::tool {

/// What every `eval` command can be told about its report.
struct EvalReportOptions {
  RunOptions run;
  OutputOptions output;  ///< the file and --force
};

/// Adds the options of the report; the caller adds those of a model or a device.
void add_report_options(CLI::App& app, EvalReportOptions& options);
/// Throws UsageError or Error when the report cannot be written.
void check_report(const EvalReportOptions& options);

/// The images of a folder. Throws UsageError when it is no folder, or contains no image.
std::vector<InputImage> images_of_folder(const std::string& folder);

/// Reads an image's pixels, (3, H, W) float32 in [-1, 1]; transparency is ignored. Throws Error.
torch::Tensor read_pixels(const std::filesystem::path& file);

/// Collects the results of one evaluation and writes them in the requested forms.
class EvalOutput {
 public:
  EvalOutput(const EvalReportOptions& options, const std::string& mode, std::size_t images);

  ProgressBar& bar() { return bar_; }
  /// An image that was measured. With --json its line is printed at once.
  void measured(nlohmann::json fields);
  void failed(const std::filesystem::path& file, const std::exception& error);
  /// Ends the report. Returns the exit code.
  int finish(const std::string& markdown, nlohmann::json summary);
  /// Ends the report with the tables of `report` under a line "N images<title>".
  int finish(const QualityReport& report, const std::string& title, nlohmann::json summary);

 private:
  const EvalReportOptions& options_;
  std::string mode_;
  ProgressBar bar_;
  ResultReporter results_;
  nlohmann::json images_ = nlohmann::json::array();
  std::size_t failures_ = 0;
};

}  // namespace fmboost::tool
