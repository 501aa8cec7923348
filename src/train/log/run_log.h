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
  bool tensorboard = true;  ///< writes tensorboard/events.out.tfevents.* besides metrics.jsonl
  /// For a resumed run: the last step to keep; later ones are removed from the files. Without it the folder must hold
  /// no logs.
  std::optional<std::int64_t> resume_step = std::nullopt;
};

/// The metrics and images of a training run, in its folder. Every call returns after writing to disk. Errors, such as a
/// full disk, throw Error naming the file.
class RunLog {
 public:
  /// Creates the folder. Throws UsageError if it holds another run's logs.
  RunLog(std::filesystem::path folder, const RunLogOptions& options = {});
  ~RunLog();

  /// Metrics of a step, which must not decrease; several calls for one step are merged. A name consists of letters,
  /// digits and "_-./". Numbers that are not finite are null in metrics.jsonl.
  void scalars(std::int64_t step, const std::map<std::string, double>& values);

  /// pixels: (3, H, W) in [-1, 1]. Writes images/NAME-STEP.png ("/" in the name becomes "-") and returns its path.
  std::filesystem::path image(std::int64_t step, const std::string& name, const torch::Tensor& pixels);

 private:
  class Files;
  std::unique_ptr<Files> files_;
};

}  // namespace fmboost
