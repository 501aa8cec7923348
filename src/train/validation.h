#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/flow/ode_solver.h"
#include "fmboost/image/metrics.h"
#include "fmboost/model/components.h"

#include "data/pair_dataset.h"
#include "train/distributed/process_group.h"
#include "train/flow_loss.h"
#include "train/log/contact_sheet.h"

namespace fmboost {

/// v(x, t | context): x and context (B, C, H, W) on the validator's device, one time for the batch; the context is
/// undefined for a network that is trained without it.
using VelocityFunction = std::function<torch::Tensor(const torch::Tensor& x, double t, const torch::Tensor& context)>;

/// The published trainer validates 64 batches with the averaged network, by 40 steps of RK4.
struct ValidationOptions {
  OdeOptions ode{.method = "rk4", .steps = 40};
  std::int64_t pairs = 512;      ///< the dataset's first ones
  std::int64_t batch_size = 8;   ///< pairs that are solved and decoded together, where they are of one size
  std::int64_t border = 0;       ///< pixels cut off every side before comparing
  std::int64_t sheet_pairs = 4;  ///< rows of the contact sheet; 0: none
  ContactSheetOptions sheet = {};
  std::uint64_t seed = 42;  ///< of the noise and of what the dataset draws; the same for every validation

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// Means over the pairs.
struct ValidationResult {
  std::int64_t pairs = 0;
  std::int64_t originals = 0;  ///< compared with the images themselves; the others with their decoded latents
  Quality result;              ///< of what the network makes
  Quality start;               ///< of what it starts from, the decoded context
  double seconds = 0;
  torch::Tensor sheet;  ///< (3, H, W): low-res, result, original; on rank 0 only, and undefined without rows

  /// For a log: "validation/psnr", "validation/ssim", "validation/mse" and the same with "start_".
  std::map<std::string, double> metrics() const;
};

/// "PSNR 27.31 dB (26.02 at the start), SSIM 0.8123 (0.7801), 512 pairs against their originals, 63 s"
std::string to_text(const ValidationResult& result);

/// Measures a network on pairs that it is not trained on: solves the flow from the pair's context, decodes and compares
/// with the original. Where the dataset keeps no originals the decoded latent takes their place; the autoencoder's own
/// losses are then not seen. The workers share the pairs; the numbers depend on them by rounding alone.
class Validator {
 public:
  /// `flow` tells how the context is upscaled and noised, as in training; `device` is the network's.
  /// Throws UsageError for an empty dataset.
  Validator(ValidationOptions options, FlowLossOptions flow, std::shared_ptr<const PairDataset> dataset,
            torch::Device device, ProcessGroup& group);
  ~Validator();

  /// All workers call it together, and all return nothing when a signal came to one of them meanwhile. Throws Error
  /// naming a pair whose original is not of its decoded latent's size, or whose result is not finite.
  std::optional<ValidationResult> run(const VelocityFunction& velocity, Autoencoder& autoencoder);

 private:
  struct Batch;
  struct Sums;

  bool measure(std::int64_t first, std::int64_t end, const VelocityFunction& velocity, Autoencoder& autoencoder,
               Sums& results);
  Batch load(std::int64_t first, std::int64_t end) const;
  torch::Tensor solve(const Batch& batch, const VelocityFunction& velocity) const;
  void compare(const Batch& batch, const torch::Tensor& latent, Autoencoder& autoencoder, Sums& results);
  Quality quality(const std::string& key, const torch::Tensor& image, const torch::Tensor& reference) const;
  void forget_start();

  ValidationOptions options_;
  FlowLossOptions flow_;
  std::shared_ptr<const PairDataset> dataset_;
  torch::Device device_;
  ProcessGroup& group_;
  std::unique_ptr<Sums> start_;  ///< does not change from one validation to the next
  bool start_known_ = false;
  std::vector<std::vector<torch::Tensor>> sheet_rows_;  ///< on rank 0; the first and the last image stay as well
};

}  // namespace fmboost
