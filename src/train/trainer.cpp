#include "train/trainer.h"

#include <algorithm>
#include <array>
#include <c10/core/CachingDeviceAllocator.h>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/core/placement.h"

namespace fmboost {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string in_three_digits(double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

std::int64_t peak_memory(torch::Device device) {
  if (!device.is_cuda()) {
    return peak_resident_memory();
  }
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

std::string joined(const std::vector<std::string>& keys) {
  constexpr std::size_t kNamed = 64;
  std::string text;
  for (std::size_t i = 0; i < std::min(keys.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + keys[i];
  }
  return text + (keys.size() > kNamed ? ", ..." : "");
}

}  // namespace

Trainer::Trainer(TrainingState& state, PairLoader& loader, ProcessGroup& group, CheckpointFolder* checkpoints,
                 TrainerOptions options, TrainerObserver observer)
    : state_(state),
      loader_(loader),
      group_(group),
      checkpoints_(checkpoints),
      options_(options),
      observer_(std::move(observer)),
      reducer_(state.parameters(), group) {
  options_.check();
}

void Trainer::start(const std::optional<RunPosition>& resumed, std::int64_t dataset_size) {
  dataset_size_ = dataset_size;
  group_.require_same("the number of training pairs", dataset_size);
  const RunPosition mine = resumed.value_or(RunPosition{.dataset_size = dataset_size});
  torch::Tensor position = torch::tensor({mine.step, mine.samples, mine.ema_updates, mine.dataset_size}, torch::kInt64);
  position = position.to(state_.device());
  group_.broadcast({position});
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : state_.tensors()) {
    tensors.push_back(tensor);
  }
  group_.broadcast(tensors);
  position = position.to(torch::kCPU);
  state_.set_progress(position[0].item<std::int64_t>(), position[2].item<std::int64_t>());
  loader_.seek(position[1].item<std::int64_t>());
  waited_before_ = loader_.seconds_waited();
  saved_step_ = resumed ? resumed->step : -1;
  if (group_.is_first() && mine.dataset_size != dataset_size) {
    log_warning("the run started with " + std::to_string(mine.dataset_size) + " pairs and continues with " +
                std::to_string(dataset_size) + ", in a different order");
  }
}

void Trainer::run() {
  bool stop = group_.any(interrupt_requested());
  while (!is_last() && !stop) {
    const auto begin = Clock::now();
    one_step();
    stop = group_.any(interrupt_requested());
    const bool validation_due = options_.validate_every > 0 && due(options_.validate_every);
    if (stop || due(options_.log_every) || validation_due || due(options_.checkpoint_every)) {
      read_losses();
    }
    seconds_ += seconds_since(begin);
    if (stop || due(options_.log_every)) {
      report();
    }
    if (validation_due && !stop) {
      validate();
    }
    if (due(options_.checkpoint_every) && !is_last() && !stop) {
      save(/*must_succeed=*/false);
    }
  }
  save(/*must_succeed=*/true);
  group_.barrier();  // no process leaves while rank 0 is still writing
  if (stop && !is_last()) {
    throw Interrupted();
  }
}

// After every `every` steps, and after the last step.
bool Trainer::due(std::int64_t every) const {
  return is_last() || (every > 0 && state_.steps_done() % every == 0);
}

void Trainer::one_step() {
  PendingStep step;
  step.step = state_.steps_done() + 1;
  step.learning_rate = state_.learning_rate();
  step.loss = accumulate_gradients(step);
  pending_.push_back(std::move(step));
  const bool on_cpu = state_.device().is_cpu();
  if (on_cpu) {
    read_losses();  // free on a CPU, and stops before the weights are changed if the loss is not finite
  }
  const bool reported =
      (state_.steps_done() + 1) % options_.log_every == 0 || state_.steps_done() + 1 >= state_.options().steps;
  const torch::Tensor norm = state_.step(/*measure_norm=*/!on_cpu || reported);
  if (!on_cpu) {
    pending_.back().gradient_norm = norm;
  } else if (norm.defined()) {
    last_gradient_norm_ = norm.item<double>();
  }
}

torch::Tensor Trainer::accumulate_gradients(PendingStep& step) {
  const TrainOptions& options = state_.options();
  torch::Tensor loss;
  for (std::int64_t i = 0; i < options.accumulate; ++i) {
    const LatentBatch batch = loader_.next();
    const FlowNoise noise = draw_flow_noise(options.flow, batch.latent.sizes(), options.seed, batch.numbers);
    reducer_.expect_backward(/*synchronize=*/i + 1 == options.accumulate);
    const torch::Tensor share = state_.backward(batch, noise) / static_cast<double>(options.accumulate);
    loss = loss.defined() ? loss + share : share;
    step.keys.insert(step.keys.end(), batch.keys.begin(), batch.keys.end());
  }
  reducer_.finish();
  return loss;
}

void Trainer::read_losses() {
  if (pending_.empty()) {
    return;
  }
  std::vector<torch::Tensor> losses;
  for (const auto& step : pending_) {
    losses.push_back(step.loss);
  }
  const torch::Tensor own = torch::stack(losses);
  const torch::Tensor all = own / static_cast<double>(group_.size());
  group_.all_reduce_sum(all);
  const torch::Tensor own_values = own.to(torch::kCPU, torch::kFloat64);
  const torch::Tensor values = all.to(torch::kCPU, torch::kFloat64);
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const auto loss = values[row].item<double>();
    if (!std::isfinite(loss)) {
      stop_diverged(pending_[i], own_values[row].item<double>());
    }
    loss_sum_ += loss;
    ++steps_;
  }
  if (pending_.back().gradient_norm.defined()) {
    last_gradient_norm_ = pending_.back().gradient_norm.item<double>();
  }
  last_learning_rate_ = pending_.back().learning_rate;
  pending_.clear();
}

void Trainer::stop_diverged(const PendingStep& step, double own_loss) const {
  const torch::Tensor norm = step.gradient_norm.defined() ? step.gradient_norm : global_norm(state_.gradients());
  std::string text = "the loss is not finite at step " + std::to_string(step.step) + ": learning rate " +
                     in_three_digits(step.learning_rate) + ", gradient norm " + in_three_digits(norm.item<double>()) +
                     " (" + in_three_digits(last_gradient_norm_) + " at the last report), ";
  text += std::isfinite(own_loss) ? "in a batch of another process" : "samples " + joined(step.keys);
  if (checkpoints_ != nullptr) {
    const auto steps = checkpoints_->steps();
    text += ". " + (steps.empty() ? "There is no checkpoint yet"
                                  : "The last good checkpoint is '" + checkpoints_->path_of(steps.back()).string() +
                                        "'; use `resume` to continue from it");
  }
  throw Error(text + "; a smaller `lr`, `clip_norm` 1 or `precision` float32 may help");
}

void Trainer::report() {
  if (steps_ == 0) {
    return;
  }
  const TrainOptions& options = state_.options();
  const auto count = static_cast<double>(steps_);
  const double waited = loader_.seconds_waited();
  const TrainReport report{
      .step = state_.steps_done(),
      .steps = options.steps,
      .loss = loss_sum_ / count,
      .gradient_norm = last_gradient_norm_,
      .learning_rate = last_learning_rate_,
      .images_per_second =
          count * static_cast<double>(options.accumulate * options.batch_size * group_.size()) / seconds_,
      .data_wait = (waited - waited_before_) / seconds_,
      .memory = peak_memory(state_.device()),
      .seconds_left = static_cast<double>(options.steps - state_.steps_done()) * seconds_ / count};
  steps_ = 0;
  loss_sum_ = 0;
  seconds_ = 0;
  waited_before_ = waited;
  if (group_.is_first() && observer_.report) {
    observer_.report(report);
  }
}

void Trainer::validate() {
  const std::int64_t step = state_.steps_done();
  const auto score = observer_.validate ? observer_.validate(step) : std::nullopt;
  if (checkpoints_ == nullptr || !group_.is_first() || !score) {
    return;
  }
  const auto best = checkpoints_->best();
  if (!best || *score > best->psnr) {
    save(/*must_succeed=*/false);
    if (saved_step_ == step) {
      checkpoints_->mark_best({.step = step, .psnr = *score});
    }
  }
}

// A full disk may have space again when the next checkpoint is due, so training continues.
void Trainer::save(bool must_succeed) {
  const std::int64_t step = state_.steps_done();
  if (checkpoints_ == nullptr || !group_.is_first() || saved_step_ == step || step == 0) {
    return;
  }
  try {
    checkpoints_->save(state_, position());
  } catch (const Error& error) {
    if (must_succeed) {
      throw;
    }
    log_error(std::string(error.what()) + "; training continues, and the next checkpoint is written when it is due");
    return;
  }
  saved_step_ = step;
  if (observer_.saved) {
    observer_.saved(step);
  }
}

RunPosition Trainer::position() const {
  return {.step = state_.steps_done(),
          .samples = loader_.samples_drawn(),
          .ema_updates = state_.ema_updates(),
          .dataset_size = dataset_size_};
}

}  // namespace fmboost
