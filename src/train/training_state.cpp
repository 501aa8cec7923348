#include "train/training_state.h"

#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/random.h"

#include "nn/cfm/cfm_unet.h"
#include "nn/layers/load_weights.h"
#include "train/autocast.h"
#include "train/loss/energy_loss.h"

namespace fmboost {
namespace {

at::MemoryFormat choose_memory_format(const std::string& name, torch::Device device) {
  const bool channels_last = name == "channels-last" || (name == "auto" && device.is_cuda());
  return channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

std::shared_ptr<CfmUnetImpl> make_network(const TrainOptions& options, torch::Device device, at::MemoryFormat format) {
  options.check();
  torch::manual_seed(derive_seed(options.seed, "weights"));
  auto network = std::make_shared<CfmUnetImpl>(options.network);
  network->to(device);
  for (auto& parameter : network->parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(format));
    }
  }
  return network;
}

std::shared_ptr<CfmUnetImpl> make_average(const TrainOptions& options, torch::Device device, at::MemoryFormat format) {
  auto network = make_network(options, device, format);
  network->eval();
  for (auto& parameter : network->parameters()) {
    parameter.set_requires_grad(false);
  }
  return network;
}

void add_named(NamedTensors& named, const std::string& prefix, const CfmUnetImpl& network,
               const std::vector<torch::Tensor>& tensors) {
  std::size_t i = 0;
  for (const auto& item : network.named_parameters()) {
    named.emplace_back(prefix + item.key(), tensors[i++]);
  }
}

// Copies through pinned memory, so that the host does not wait.
torch::Tensor place(const torch::Tensor& tensor, torch::Device device) {
  return device.is_cuda() && tensor.is_cpu() ? tensor.pin_memory().to(device, /*non_blocking=*/true)
                                             : tensor.to(device);
}

FlowNoise place(const FlowNoise& noise, torch::Device device) {
  const auto move = [&](const torch::Tensor& tensor) { return tensor.defined() ? place(tensor, device) : tensor; };
  return {.t = move(noise.t),
          .start = move(noise.start),
          .path = move(noise.path),
          .upsampling = move(noise.upsampling),
          .alpha_bar = move(noise.alpha_bar),
          .dropout_seed = noise.dropout_seed,
          .other_start = move(noise.other_start),
          .diversity_weight = noise.diversity_weight,  // read by the host; on the CPU that needs no synchronization
          .rollout_steps = noise.rollout_steps,
          .patches = noise.patches};
}

std::string name_of(const LatentBatch& batch) {
  return batch.keys.empty() ? "a batch" : "the batch of '" + batch.keys.front() + "'";
}

}  // namespace

TrainingState::TrainingState(const TrainOptions& options, torch::Device device)
    : options_(options),
      device_(device),
      format_(choose_memory_format(options.memory_format, device)),
      network_(make_network(options, device, format_)),
      ema_network_(make_average(options, device, format_)),
      optimizer_(network_->parameters(), options.optimizer),
      ema_(network_->parameters(), ema_network_->parameters(), options.ema) {
  network_->train();
}

void TrainingState::check(const LatentBatch& batch) const {
  const torch::Tensor& latent = batch.latent;
  const std::int64_t channels = options_.network.out_channels;
  if (latent.dim() != 4 || latent.size(1) != channels || batch.context.dim() != 4 ||
      batch.context.size(1) != channels) {
    throw Error(c10::str(name_of(batch), " has latents ", latent.sizes(), " and contexts ", batch.context.sizes(),
                         "; the network needs ", channels, " channels: the data was made with another autoencoder"));
  }
  const std::int64_t multiple = options_.network.size_multiple();
  if (latent.size(2) % multiple != 0 || latent.size(3) % multiple != 0) {
    throw Error(c10::str(name_of(batch), " has latents of ", latent.size(2), "x", latent.size(3),
                         " latent pixels; the network needs multiples of ", multiple,
                         ": use a `crop_size` that is one"));
  }
}

torch::Tensor TrainingState::backward(const LatentBatch& batch, const FlowNoise& noise) {
  check(batch);
  LatentBatch placed = batch;
  placed.latent = place(batch.latent, device_);
  placed.context = place(batch.context, device_);
  if (options_.network.dropout > 0) {
    torch::manual_seed(noise.dropout_seed);
  }
  const torch::Tensor loss = loss_of(placed, place(noise, device_));
  (loss / static_cast<double>(options_.accumulate)).backward();
  return loss.detach();
}

torch::Tensor TrainingState::loss_of(const LatentBatch& batch, const FlowNoise& noise) const {
  const auto velocity = [&](const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& context) {
    return forward(*network_, x, t, context);
  };
  if (options_.flow.objective == Objective::energy) {
    const RolloutBatch rollouts = make_rollout_batch(options_.flow, batch, noise);
    return energy_loss(rollouts, roll_out(rollouts, velocity));
  }
  const FlowBatch flow = make_flow_batch(options_.flow, batch, noise);
  return flow_matching_loss(velocity(flow.x, flow.t, flow.context), flow.velocity);
}

torch::Tensor TrainingState::forward(CfmUnetImpl& network, const torch::Tensor& x, const torch::Tensor& t,
                                     const torch::Tensor& context) const {
  const Autocast mixed(resolve_precision(options_.precision, device_) == "bf16-mixed", device_, torch::kBFloat16);
  return network.forward(x.contiguous(format_), t, context.defined() ? context.contiguous(format_) : context);
}

torch::Tensor TrainingState::averaged_velocity(const torch::Tensor& x, double t, const torch::Tensor& context) const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor time = torch::full({x.size(0)}, t, x.options().dtype(torch::kFloat32));
  return forward(*ema_network_, x, time, context).to(torch::kFloat32);
}

torch::Tensor TrainingState::step(bool measure_norm) {
  torch::Tensor norm;
  if (options_.clip_norm > 0) {
    norm = clip_global_norm(optimizer_.gradients(), options_.clip_norm);
  } else if (measure_norm) {
    norm = global_norm(optimizer_.gradients());
  }
  optimizer_.step(learning_rate());
  optimizer_.clear_gradients();
  ema_.update();
  return norm;
}

double TrainingState::learning_rate() const {
  return options_.optimizer.lr * options_.schedule.factor(steps_done(), options_.steps);
}

NamedTensors TrainingState::tensors() const {
  NamedTensors named;
  add_named(named, "model.", *network_, network_->parameters());
  add_named(named, "ema.", *network_, ema_network_->parameters());
  add_named(named, "exp_avg.", *network_, optimizer_.first_moments());
  add_named(named, "exp_avg_sq.", *network_, optimizer_.second_moments());
  return named;
}

void TrainingState::set_progress(std::int64_t steps, std::int64_t ema_updates) {
  optimizer_.set_steps(steps);
  ema_.set_updates(ema_updates);
}

void TrainingState::load_weights(const SafetensorsFile& file) {
  load_strictly(*network_, file, "");
  load_strictly(*ema_network_, file, "");
}

}  // namespace fmboost
