#pragma once

#include <cstdint>
#include <memory>
#include <torch/types.h>
#include <vector>

#include "fmboost/io/safetensors.h"
#include "fmboost/train/options.h"

#include "data/pair_dataset.h"
#include "train/loss/flow_loss.h"
#include "train/optimizer/ema.h"
#include "train/optimizer/optimizer.h"

namespace fmboost {

class CfmUnetImpl;

/// Everything that a training step changes: the network, its average and the optimizer. It does not synchronize with
/// the device and is independent of data loading, process groups and files.
class TrainingState {
 public:
  /// Fresh weights from the options' seed, the same on every device.
  TrainingState(const TrainOptions& options, torch::Device device);

  /// Throws Error naming a sample if the batch does not fit the network or the upsampling.
  void check(const LatentBatch& batch) const;

  /// Forward and backward pass of one batch: adds its gradients, divided by options().accumulate, to the weights'.
  /// Batch and noise may be on the CPU. Returns the batch's loss, a scalar on the device.
  torch::Tensor backward(const LatentBatch& batch, const FlowNoise& noise);

  /// Clips the gradients, updates weights and average, and removes the gradients. Returns the gradients' norm before
  /// clipping, a scalar on the device; undefined if clipping is off and `measure_norm` is false.
  torch::Tensor step(bool measure_norm);

  /// The averaged network's velocity, in the training's precision and without gradients: x and context (B, C, H, W)
  /// on the device, one time for the batch, the context undefined for a network without one. Returns float32.
  torch::Tensor averaged_velocity(const torch::Tensor& x, double t, const torch::Tensor& context) const;

  const TrainOptions& options() const { return options_; }
  torch::Device device() const { return device_; }
  std::int64_t steps_done() const { return optimizer_.steps(); }
  /// Of the next step.
  double learning_rate() const;

  CfmUnetImpl& network() const { return *network_; }
  CfmUnetImpl& ema_network() const { return *ema_network_; }
  const std::vector<torch::Tensor>& parameters() const { return optimizer_.parameters(); }
  std::vector<torch::Tensor> gradients() const { return optimizer_.gradients(); }

  /// Weights, average and optimizer moments, named "model.X", "ema.X", "exp_avg.X" and "exp_avg_sq.X" after the
  /// published name X. They share memory with the state and have its memory format.
  NamedTensors tensors() const;
  /// Sets the counters after tensors() have been overwritten.
  void set_progress(std::int64_t steps, std::int64_t ema_updates);
  std::int64_t ema_updates() const { return ema_.updates(); }

  /// Copies these weights (published names) into the network and its average. Throws ModelError if they do not fit.
  void load_weights(const SafetensorsFile& file);

 private:
  torch::Tensor loss_of(const LatentBatch& batch, const FlowNoise& noise) const;
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
