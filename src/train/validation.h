#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/image/metrics.h"
#include "fmboost/model/components.h"
#include "fmboost/train/options.h"

#include "data/pair_dataset.h"
#include "train/distributed/process_group.h"

namespace fmboost {

/// v(x, t | context): x and context (B, C, H, W) on the validator's device, one time for the batch; the context is
/// undefined for a network that is trained without it.
using VelocityFunction = std::function<torch::Tensor(const torch::Tensor& x, double t, const torch::Tensor& context)>;

/// Means over the pairs.
struct ValidationResult {
  std::int64_t pairs = 0;
  std::int64_t originals = 0;  ///< pairs compared with their original image; the others with their decoded latent
  Quality result;              ///< of the network's results
  Quality start;               ///< of the decoded contexts, from which the flow starts
  double seconds = 0;
  torch::Tensor sheet;  ///< (3, H, W): low-resolution, result, original; on rank 0 only, undefined without rows

  /// For the log: "validation/psnr", "validation/ssim", "validation/mse" and the same with "start_".
  std::map<std::string, double> metrics() const;
};

/// "PSNR 27.31 dB (26.02 at the start), SSIM 0.8123 (0.7801), 512 pairs compared with their originals, 63 s"
std::string to_text(const ValidationResult& result);

/// Measures a network on held-out pairs: solves the flow from the pair's context, decodes and compares with the
/// original image. If the dataset keeps no originals, it compares with the decoded latent, which hides the
/// autoencoder's own losses. The processes share the pairs; their number changes the results only by rounding.
class Validator {
 public:
  /// `flow` defines how the context is upscaled and noised, as in training; `device` is the network's.
  /// Throws UsageError for an empty dataset.
  Validator(ValidationOptions options, FlowLossOptions flow, std::shared_ptr<const PairDataset> dataset,
            torch::Device device, ProcessGroup& group);
  ~Validator();

  /// Must be called by all processes together. Returns nothing in all of them if one has received a signal. Throws
  /// Error naming a pair whose original differs in size from its decoded latent, or whose result is not finite.
  std::optional<ValidationResult> run(const VelocityFunction& velocity, Autoencoder& autoencoder);

 private:
  struct Batch;
  struct Sums;

  bool measure(std::int64_t first, std::int64_t end, const VelocityFunction& velocity, Autoencoder& autoencoder,
               Sums& results);
  Batch load(std::int64_t first, std::int64_t end) const;
  torch::Tensor solve(const Batch& batch, const VelocityFunction& velocity) const;
  void compare(const Batch& batch, const torch::Tensor& latent, Autoencoder& autoencoder, Sums& results);
  void reset_start();

  ValidationOptions options_;
  FlowLossOptions flow_;
  std::shared_ptr<const PairDataset> dataset_;
  torch::Device device_;
  ProcessGroup& group_;
  std::unique_ptr<Sums> start_;  ///< the same for every validation, so it is measured once
  bool start_known_ = false;
  std::vector<std::vector<torch::Tensor>> sheet_rows_;  ///< on rank 0; only the results in the middle change
};

}  // namespace fmboost
