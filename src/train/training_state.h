#pragma once

#include <cstdint>
#include <memory>
#include <torch/types.h>
#include <vector>

#include "fmboost/io/safetensors.h"
#include "fmboost/train/options.h"

#include "data/pair_dataset.h"

namespace fmboost {

class CfmUnetImpl;

/// The network in training, its average and its optimizer: everything that a step changes. Nothing here waits for the
/// device or knows of data, processes and files.
class TrainingState {
 public:
  /// Fresh weights from the options' seed, the same on every device.
  TrainingState(const TrainOptions& options, torch::Device device);

  /// Throws Error naming a sample when the batch does not fit the network or the coupling.
  void check(const LatentBatch& batch) const;

  /// Forward and backward of one batch: adds its gradients, divided by options().accumulate, to the weights'. Batch
  /// and draw may lie on the CPU. Returns the batch's loss, a scalar on the device.
  torch::Tensor backward(const LatentBatch& batch, const FlowNoise& draw);

  /// Clips the gradients, takes one step of the optimizer and of the average, and drops the gradients. Returns the
  /// gradients' norm before clipping, a scalar on the device; undefined when neither clipping nor `measure` asks for
  /// it.
  torch::Tensor step(bool measure_norm);

  /// The averaged network's velocity, in the training's precision and without gradients: x and context (B, C, H, W)
  /// on the device, one time for the batch, the context undefined for a network without one. Returns float32.
  torch::Tensor averaged_velocity(const torch::Tensor& x, double t, const torch::Tensor& context) const;

  const TrainOptions& options() const { return options_; }
  torch::Device device() const { return device_; }
  std::int64_t steps_done() const { return optimizer_.steps(); }
  /// Of the step to come.
  double learning_rate() const;

  CfmUnetImpl& network() const { return *network_; }
  CfmUnetImpl& ema_network() const { return *ema_network_; }
  const std::vector<torch::Tensor>& parameters() const { return optimizer_.parameters(); }
  std::vector<torch::Tensor> gradients() const { return optimizer_.gradients(); }

  /// Weights, average and optimizer state under the names "model.X", "ema.X", "exp_avg.X" and "exp_avg_sq.X", X being
  /// the published name. They are the state's own tensors, in its memory format.
  NamedTensors state() const;
  /// After the tensors of state() have been overwritten: where the run stands.
  void set_progress(std::int64_t steps, std::int64_t ema_updates);
  std::int64_t ema_updates() const { return ema_.updates(); }

  /// Puts these weights (published names) into the network and its average. Throws ModelError when they do not fit.
  void load_weights(const SafetensorsFile& file, const std::string& prefix = "");

 private:
  torch::Tensor loss_of(const LatentBatch& batch, const FlowNoise& draw) const;
  torch::Tensor forward(CfmUnetImpl& network, const torch::Tensor& x, const torch::Tensor& t,
                        const torch::Tensor& context) const;

  TrainOptions options_;
  torch::Device device_;
  at::MemoryFormat format_;
  std::shared_ptr<CfmUnetImpl> network_, ema_network_;
  Adam optimizer_;
  Ema ema_;
};

}  // namespace fmboost
