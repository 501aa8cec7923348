#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <torch/types.h>

namespace fmboost {

struct RunLogOptions {
  bool csv = true;          ///< metrics.csv: a row a step, a column a metric
  bool json_lines = true;   ///< metrics.jsonl: an object a step
  bool tensorboard = true;  ///< tensorboard/events.out.tfevents.*
  /// For a run that goes on: the last step that counts. What the files hold of later ones is dropped. Without it the
  /// folder must hold no logs.
  std::optional<std::int64_t> resume_step = std::nullopt;
};

/// The metrics and images of a training run, in its folder. Every call is on disk when it returns. Errors, a full
/// disk for example, throw Error naming the file.
class RunLog {
 public:
  /// Creates the folder. Throws UsageError when it holds another run's logs.
  RunLog(std::filesystem::path folder, const RunLogOptions& options = {});
  ~RunLog();

  /// Metrics of a step, which never decreases; several calls for one step give one row. A name consists of letters,
  /// digits and "_-./"; a new one adds a column. Numbers that are not finite are nan and inf in the CSV file, null in
  /// the JSON one.
  void scalars(std::int64_t step, const std::map<std::string, double>& values);

  /// pixels: (3, H, W) in [-1, 1]. Writes images/NAME-STEP.png ("/" in the name becomes "-") and returns its path.
  std::filesystem::path image(std::int64_t step, const std::string& name, const torch::Tensor& pixels);

 private:
  class Files;
  std::unique_ptr<Files> files_;
};

}  // namespace fmboost
