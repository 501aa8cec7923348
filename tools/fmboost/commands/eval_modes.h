#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/eval/fid.h"
#include "fmboost/pipeline/upscale.h"

#include "cli/common_options.h"
#include "cli/image_inputs.h"
#include "output/result_reporter.h"

namespace fmboost::tool {

/// What `eval` was asked for. One of the three lists is not empty.
struct EvalFlags {
  RunOptions run;
  OutputOptions output;
  std::vector<std::string> pairs;    ///< two folders, or two files
  std::vector<std::string> upscale;  ///< originals: files and folders
  std::vector<std::string> fid;      ///< two folders
  std::optional<std::int64_t> border;
  int scale = 2;
  UpscaleOptions options;
  FlowFlags flow;
  std::string color_fix = enum_name(UpscaleOptions{}.color_fix);
  std::string inception;
  FidOptions fid_options;
  bool allow_few = false;
};

// Each returns the exit code; what stops everything is thrown.
int run_pairs(const EvalFlags& flags);
int run_upscaling(const EvalFlags& flags);
int run_fid(const EvalFlags& flags);

/// The images of a folder. Throws UsageError when it is none, or holds no image.
std::vector<ImageSource> images_of_folder(const std::string& folder);

/// Reads an image's pixels, (3, H, W) float32 in [-1, 1]; transparency is left out. Throws Error.
torch::Tensor read_pixels(const std::filesystem::path& file);

/// Gathers what is to be reported and writes it in the forms that were asked for.
class EvalOutput {
 public:
  EvalOutput(const EvalFlags& flags, const std::string& mode, std::size_t images);

  ProgressBar& bar() { return bar_; }
  /// An image that was measured. With --json its line goes out at once.
  void measured(nlohmann::json fields);
  void failed(const std::filesystem::path& file, const std::exception& error);
  /// Ends the report. Returns the exit code.
  int finish(const std::string& markdown, nlohmann::json summary);

 private:
  const EvalFlags& flags_;
  std::string mode_;
  ProgressBar bar_;
  ResultReporter results_;
  nlohmann::json images_ = nlohmann::json::array();
  std::size_t failures_ = 0;
};

}  // namespace fmboost::tool
