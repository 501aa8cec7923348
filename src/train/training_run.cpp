#include "fmboost/train/training_run.h"

#include <torch/cuda.h>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/files.h"

#include "model/bundle_coupling.h"
#include "train/autocast.h"
#include "train/log/run_log.h"
#include "train/trainer.h"
#include "train/training_data.h"
#include "train/validation.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

Placement placement_of(const TrainingRunOptions& options, const ProcessGroupOptions& process) {
  const auto gpus = static_cast<int>(torch::cuda::device_count());
  const Placement placement = resolve_placement(process_device_name(options.device, process, gpus), options.dtype);
  if (placement.device.is_cpu() && options.train.precision == "bf16-mixed" && !cpu_has_fast_bfloat16()) {
    log_info("this CPU has no instructions for bfloat16; `precision` auto or float32 is faster");
  }
  return placement;
}

const AutoencoderEntry& autoencoder_of(const Bundle& bundle) {
  if (!bundle.manifest().autoencoder) {
    throw ModelError("the bundle '" + bundle.folder().string() + "' has no autoencoder");
  }
  return *bundle.manifest().autoencoder;
}

TrainOptions resolved(TrainOptions options, const Bundle& bundle, torch::Device device) {
  options.precision =
      resolve_precision(options.precision, device);  // so that checkpoints and the log contain the actual one
  options.network.out_channels = autoencoder_of(bundle).latent_channels;
  options.network.in_channels = options.network.out_channels * (options.flow.with_context ? 2 : 1);
  options.check();
  return options;
}

/// The work of one process.
class TrainingRun {
 public:
  TrainingRun(const TrainingRunOptions& options, const ProcessGroupOptions& process)
      : options_(options),
        placement_(placement_of(options, process)),
        group_(process, placement_.device),
        bundle_(options.bundle),
        train_options_(resolved(options.train, bundle_, placement_.device)) {}

  TrainingRunResult run();

 private:
  void prepare_folder();
  CouplingEntry coupling(std::int64_t factor) const;
  std::string factor_names(const std::string& separator) const;
  std::optional<RunPosition> prepare_state();
  std::unique_ptr<PairLoader> make_loader() const;
  TrainerObserver make_observer();
  std::optional<double> validate(std::int64_t step);
  TrainingRunResult finish();
  void describe() const;

  const TrainingRunOptions& options_;
  Placement placement_;
  ProcessGroup group_;
  Bundle bundle_;
  TrainOptions train_options_;
  TrainingData data_;
  std::unique_ptr<TrainingState> state_;
  std::unique_ptr<CheckpointFolder> checkpoints_;
  std::unique_ptr<RunLog> log_;           // on rank 0
  std::unique_ptr<Autoencoder> decoder_;  // for validation
  std::unique_ptr<Validator> validator_;
};

CouplingEntry TrainingRun::coupling(std::int64_t factor) const {
  CouplingEntry entry;
  entry.factor = factor;
  entry.applies_to = options_.install.applies_to;
  entry.network = train_options_.network;
  entry.path = train_options_.flow.path;
  entry.upsampling = train_options_.flow.upsampling;
  entry.noising_step = train_options_.flow.noising_step;
  if (train_options_.flow.draws_noising_step() && entry.noising_step <= 0) {
    entry.noising_step_max = train_options_.flow.noising_step_max;  // in a bundle the range starts at 0
  }
  entry.start_from_noise = train_options_.flow.start_from_noise;
  entry.solver = options_.install.solver;
  entry.steps = options_.install.flow_steps;
  entry.back_projection = options_.install.back_projection;
  return entry;
}

// "2x", or "2x-4x" for a network that serves both factors.
std::string TrainingRun::factor_names(const std::string& separator) const {
  std::string names;
  for (const std::int64_t factor : data_.factors) {
    names += (names.empty() ? "" : separator) + std::to_string(factor) + "x";
  }
  return names;
}

void TrainingRun::prepare_folder() {
  const fs::path folder = options_.output / "checkpoints";
  checkpoints_ = std::make_unique<CheckpointFolder>(folder, options_.keep_checkpoints);
  if (!group_.is_first()) {
    return;
  }
  checkpoints_->remove_leftovers();
  const bool used = !checkpoints_->steps().empty() || fs::exists(options_.output / "metrics.jsonl");
  if (used && !options_.resume && !options_.force) {
    throw UsageError("'" + options_.output.string() +
                     "' already holds a run: use `resume` to continue it, `force` to start over, or another `output`");
  }
  if (used && !options_.resume) {
    for (const char* name : {"checkpoints", "tensorboard", "images", "metrics.jsonl"}) {
      fs::remove_all(options_.output / name);
    }
    fs::create_directories(folder);
  }
  if (!options_.settings.empty()) {
    write_file_atomically(options_.output / "train.toml", as_bytes(options_.settings));
  }
}

std::optional<RunPosition> TrainingRun::prepare_state() {
  state_ = std::make_unique<TrainingState>(train_options_, placement_.device);
  if (!group_.is_first()) {
    return std::nullopt;  // Trainer::start copies the state of rank 0
  }
  if (!options_.resume) {
    if (!options_.init.empty()) {
      state_->load_weights(SafetensorsFile(options_.init));
    }
    return std::nullopt;
  }
  if (options_.resume_step < 0) {
    return checkpoints_->load_newest(*state_);
  }
  const RunPosition position = checkpoints_->load(options_.resume_step, *state_);
  const auto steps = checkpoints_->steps();
  if (steps.back() > position.step && !options_.force) {
    throw UsageError("there are checkpoints after step " + std::to_string(position.step) + ", up to " +
                     std::to_string(steps.back()) + "; use `force` to delete them");
  }
  checkpoints_->remove_after(position.step);
  return position;
}

std::unique_ptr<PairLoader> TrainingRun::make_loader() const {
  return std::make_unique<PairLoader>(data_.training, PairLoaderOptions{.batch_size = train_options_.batch_size,
                                                                        .seed = train_options_.seed,
                                                                        .crop_sizes = options_.data.crop_sizes,
                                                                        .num_workers = options_.data.num_workers,
                                                                        .prefetch = options_.data.prefetch,
                                                                        .rank = group_.rank(),
                                                                        .world_size = group_.size(),
                                                                        .pin_memory = placement_.device.is_cuda()});
}

TrainerObserver TrainingRun::make_observer() {
  TrainerObserver observer;
  observer.report = [this](const TrainReport& report) {
    log_info(to_text(report));
    log_->scalars(report.step, {{"loss", report.loss},
                                {"gradient_norm", report.gradient_norm},
                                {"lr", report.learning_rate},
                                {"images_per_second", report.images_per_second},
                                {"data_wait", report.data_wait},
                                {"memory_bytes", static_cast<double>(report.memory)}});
  };
  observer.saved = [this](std::int64_t step) {
    log_debug("saved the checkpoint '" + checkpoints_->path_of(step).string() + "'");
  };
  if (data_.validation) {
    decoder_ = bundle_.load_autoencoder(placement_);
    validator_ = std::make_unique<Validator>(options_.validation, train_options_.flow, data_.validation,
                                             placement_.device, group_);
    observer.validate = [this](std::int64_t step) { return validate(step); };
  }
  return observer;
}

std::optional<double> TrainingRun::validate(std::int64_t step) {
  const auto velocity = [this](const torch::Tensor& x, double t, const torch::Tensor& context) {
    return state_->averaged_velocity(x, t, context);
  };
  const auto result = validator_->run(velocity, *decoder_);
  if (!result) {
    return std::nullopt;
  }
  if (group_.is_first()) {
    log_info("validation at step " + std::to_string(step) + ": " + to_text(*result));
    log_->scalars(step, result->metrics());
    if (result->sheet.defined()) {
      log_->image(step, "validation", result->sheet);
    }
  }
  return result->result.psnr_rgb;
}

void TrainingRun::describe() const {
  std::int64_t weights = 0;
  for (const auto& parameter : state_->parameters()) {
    weights += parameter.numel();
  }
  const std::int64_t pairs_per_step = train_options_.batch_size * train_options_.accumulate * group_.size();
  log_info("training a " + factor_names(" and ") + " coupling with " + std::to_string(weights) + " weights on " +
           std::to_string(data_.training->size()) + " pairs, " + std::to_string(pairs_per_step) + " per step, in " +
           std::to_string(group_.size()) + (group_.size() == 1 ? " process, " : " processes, ") +
           train_options_.precision + " on " + placement_.device.str());
  if (const std::string warning = train_options_.flow.warning(); !warning.empty()) {
    log_warning(warning);
  }
  if (!data_.validation) {
    log_info("no validation, because `val_data` is not set");
  }
}

TrainingRunResult TrainingRun::run() {
  data_ = open_training_data(options_, bundle_, placement_);
  if (!options_.install.bundle.empty()) {
    for (const std::int64_t factor : data_.factors) {
      check_coupling_fits(options_.install.bundle, coupling(factor), options_.force);
    }
  }
  prepare_folder();
  const auto resumed = prepare_state();
  if (group_.is_first()) {
    RunLogOptions log_options{.tensorboard = options_.tensorboard};
    if (resumed) {
      log_options.resume_step = resumed->step;
    }
    log_ = std::make_unique<RunLog>(options_.output, log_options);
    describe();
  }
  const auto loader = make_loader();
  Trainer trainer(*state_, *loader, group_, checkpoints_.get(), options_.trainer, make_observer());
  trainer.start(resumed, static_cast<std::int64_t>(data_.training->size()));
  if (resumed) {
    log_info("resuming after step " + std::to_string(resumed->step));
  }
  try {
    trainer.run();
  } catch (const Interrupted&) {
    if (group_.is_first()) {
      log_info("stopped after step " + std::to_string(state_->steps_done()) + "; use `resume` to continue");
    }
    throw;
  }
  return finish();
}

TrainingRunResult TrainingRun::finish() {
  TrainingRunResult result;
  result.rank = group_.rank();
  result.weights = options_.output / ("cfm-" + factor_names("-") + ".safetensors");
  result.steps = state_->steps_done();
  if (!group_.is_first()) {
    return result;
  }
  write_cfm_weights(result.weights, state_->ema_network(), train_options_.flow);
  if (!options_.install.bundle.empty()) {
    for (const std::int64_t factor : data_.factors) {
      result.bundle_weights = options_.install.bundle /
                              add_coupling(options_.install.bundle, result.weights, coupling(factor), options_.force);
    }
  }
  result.best = checkpoints_->best();
  return result;
}

}  // namespace

TrainingRunResult run_training(const TrainingRunOptions& options) {
  options.check();
  return TrainingRun(options, ProcessGroupOptions::from_environment()).run();
}

}  // namespace fmboost
