#include "cli/train_options.h"

#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

namespace fmboost::tool {
namespace {

constexpr const char* kData = "Data";
constexpr const char* kFlow = "Flow";
constexpr const char* kNetwork = "Network";
constexpr const char* kOptimizer = "Optimizer";
constexpr const char* kAverage = "Average of the weights";
constexpr const char* kRun = "Run";
constexpr const char* kValidation = "Validation";
constexpr const char* kBundle = "Into a bundle";

template <typename Value>
CLI::Option* option(CLI::App& app, const char* group, const std::string& name, Value& value,
                    const std::string& description) {
  return app.add_option(name, value, description)->capture_default_str()->group(group);
}

void add_data_options(CLI::App& app, TrainFlags& flags) {
  TrainingDataOptions& data = flags.options.data;
  ImageCropOptions& crop = data.images.crop;
  app.add_option("--data", data.training,
                 "Folder of shards that `encode` made, or of images to encode on the fly; several are mixed, also of "
                 "several factors")
      ->type_name("DIR")
      ->group(kData);
  app.add_option("--val-data", data.validation, "The same, of pairs that are measured and not trained on")
      ->type_name("DIR")
      ->group(kData);
  app.add_option("--crop-size", data.crop_sizes,
                 "Side of the squares cut out of the latents, in latent pixels; several: one drawn for each batch "
                 "(default: whole latents)")
      ->group(kData);
  option(app, kData, "--num-workers", data.num_workers, "Threads that load");
  option(app, kData, "--prefetch", data.prefetch, "Batches held ready");
  app.add_flag("--accept-other-autoencoder", data.accept_other_autoencoder,
               "Train on shards of another bundle's autoencoder all the same")
      ->group(kData);
  option(app, kData, "--low", crop.low, "Of images: side of the small squares in pixels");
  option(app, kData, "--high", crop.high, "Of images: side of the large ones, a whole multiple of --low");
  option(app, kData, "--crop", flags.crop, "Of images: random or center, where squares are cut out");
  option(app, kData, "--crops", crop.crops, "Of images: different squares each; few of them fit into the cache");
  app.add_flag(
         "--flip", crop.flip,
         "Of images: mirror half of the squares, in pixels; latents are never mirrored, which would not be exact")
      ->group(kData);
  app.add_flag("--fit", crop.fit, "Of images: shrink them first, so that their shorter side is --high")->group(kData);
  option(app, kData, "--downsample", flags.downsampling,
         "Of images: how a large square becomes a small one: area, bilinear or bicubic");
  app.add_option("--cache", data.images.cache.folder, "Of images: keep their latents there (default: in memory)")
      ->type_name("DIR")
      ->group(kData);
  option(app, kData, "--cache-memory", flags.cache_mebibytes, "Of images: MiB of latents kept in memory");
}

void add_flow_options(CLI::App& app, TrainFlags& flags) {
  FlowLossOptions& flow = flags.options.train.flow;
  option(
      app, kFlow, "--objective", flags.objective,
      "velocity: flow matching; energy: that the ends of short walks along the flow vary as the latents do, to tune a "
      "trained coupling");
  option(app, kFlow, "--rollout-steps", flow.rollout_steps,
         "Of the energy: each batch walks 1, 2, 4, ... up to this many Euler steps");
  option(app, kFlow, "--noiseless-loss", flags.noiseless_loss,
         "Of the energy, for pairs without noise: squares (ends at the mean, faithful) or distance (in the middle, "
         "sharper)");
  option(app, kFlow, "--path", flags.path, "linear or gvp");
  option(app, kFlow, "--sigma-min", flow.sigma_min, "Noise on top of the path, linear only");
  option(app, kFlow, "--upsampling", flags.coupling,
         "pixel: the context is the upscaled image's latent; latent, latent-nearest, noise-upsampling: the upscaled latent; "
         "identity");
  option(app, kFlow, "--noising-step", flow.noising_step,
         "Of 1000, how noisy the flow starts; 0: at the context itself");
  app.add_option("--noising-step-max", flow.noising_step_max,
                 "Draw each pair's noising step from --noising-step (then 0 unless given) to this one, both included; "
                 "--fidelity chooses among them later")
      ->group(kFlow);
  option(
      app, kFlow, "--noising-share", flow.noising_share,
      "With --noising-step-max: share of the pairs that draw their step; the others keep the least one, which is what "
      "faithful upscaling asks of the network");
  app.add_flag("--start-from-noise", flow.start_from_noise, "Start the flow at noise alone")->group(kFlow);
  app.add_flag("--no-context", flags.no_context, "The network does not see the context")->group(kFlow);
  app.add_option("--factor", flags.options.factor, "How much larger it makes images (default: what the data says)")
      ->group(kFlow);
}

void add_network_options(CLI::App& app, CfmUnetOptions& network) {
  option(app, kNetwork, "--model-channels", network.model_channels, "Channels of the first level, a multiple of 32");
  option(app, kNetwork, "--channel-mult", network.channel_mult, "Channels of every level, times --model-channels");
  option(app, kNetwork, "--num-res-blocks", network.num_res_blocks, "Residual blocks a level");
  option(app, kNetwork, "--attention-resolutions", network.attention_resolutions,
         "Down-sampling factors whose levels have attention");
  option(app, kNetwork, "--num-heads", network.num_heads, "Of attention");
  option(app, kNetwork, "--dim-head", network.dim_head, "Channels of a head");
  app.add_flag("--use-linear-attn,!--no-use-linear-attn", network.use_linear_attn,
               "Linear instead of softmax attention")
      ->group(kNetwork);
  app.add_flag("--use-scale-shift-norm,!--no-use-scale-shift-norm", network.use_scale_shift_norm,
               "The time scales and shifts the second norm of a block (default), or is added before it")
      ->group(kNetwork);
  app.add_flag("--conv-resample,!--no-conv-resample", network.conv_resample,
               "Convolve where sizes change (default), or average and repeat")
      ->group(kNetwork);
  option(app, kNetwork, "--dropout", network.dropout, "In every block, at least 0 and less than 1");
  option(app, kNetwork, "--pool-factor", network.pool_factor,
         "Greater than 1: the network works on latent pixels pooled by this factor");
}

void add_optimizer_options(CLI::App& app, TrainOptions& train) {
  OptimizerOptions& optimizer = train.optimizer;
  option(app, kOptimizer, "--optimizer", optimizer.method, "adam or adamw");
  option(app, kOptimizer, "--lr", optimizer.lr, "Learning rate");
  option(app, kOptimizer, "--lr-schedule", train.schedule.shape, "After the warm-up: constant or cosine");
  option(app, kOptimizer, "--warmup", train.schedule.warmup_steps, "Steps in which the learning rate grows from 0");
  option(app, kOptimizer, "--lr-final-factor", train.schedule.final_factor, "Of --lr, where the cosine ends");
  option(app, kOptimizer, "--weight-decay", optimizer.weight_decay, "adam: added to the gradient; adamw: decoupled");
  option(app, kOptimizer, "--beta1", optimizer.beta1, "Of the gradients' mean");
  option(app, kOptimizer, "--beta2", optimizer.beta2, "Of their squares' mean");
  option(app, kOptimizer, "--eps", optimizer.eps, "Added to the denominator");
  option(app, kOptimizer, "--optimizer-kernels", optimizer.kernels,
         "auto, fused or foreach; auto: fused where LibTorch has it");
  option(app, kOptimizer, "--clip-norm", train.clip_norm, "Largest norm of the gradient; 0: no limit");
  option(app, kOptimizer, "--accumulate", train.accumulate, "Batches whose gradients make one step");
  option(app, kOptimizer, "--precision", train.precision,
         "bf16-mixed, float32, or auto: bf16-mixed on GPUs and on CPUs with instructions for bfloat16, else float32; "
         "weights are float32 in both");
  option(app, kOptimizer, "--memory-format", train.memory_format,
         "auto, channels-last or contiguous; auto: channels-last on GPUs");
  option(app, kOptimizer, "--batch-size", train.batch_size, "Pairs a batch, in each process");
  option(app, kOptimizer, "--steps", train.steps, "Steps of the whole run");
  option(app, kOptimizer, "-s,--seed", train.seed, "Of weights, order, crops and noise");
  EmaOptions& ema = train.ema;
  option(app, kAverage, "--ema-beta", ema.beta, "Largest decay");
  option(app, kAverage, "--ema-update-after-step", ema.update_after_step, "Until then the average is a copy");
  option(app, kAverage, "--ema-update-every", ema.update_every, "Steps from one update to the next");
  option(app, kAverage, "--ema-power", ema.power, "decay = 1 - (1 + steps)^-power, up to --ema-beta");
}

void add_run_folder_options(CLI::App& app, TrainingRunOptions& options) {
  app.add_option("-o,--output", options.output, "Folder of the run: checkpoints, logs, weights")
      ->type_name("DIR")
      ->group(kRun);
  app.add_option("--init", options.init, "Coupling weights to start from; the network is theirs unless options say")
      ->type_name("FILE")
      ->group(kRun);
  auto* resume = app.add_flag("--resume", options.resume, "Go on with the run in -o from its newest checkpoint")
                     ->configurable(false)
                     ->group(kRun);
  app.add_option("--resume-step", options.resume_step, "With --resume: from the checkpoint of this step")
      ->needs(resume)
      ->configurable(false)
      ->group(kRun);
  app.add_flag("--force", options.force,
               "Start over in a folder that holds a run, drop checkpoints after --resume-step, replace the bundle's "
               "coupling")
      ->configurable(false)
      ->group(kRun);
  option(app, kRun, "--log-every", options.trainer.log_every, "Steps from one report to the next");
  option(app, kRun, "--checkpoint-every", options.trainer.checkpoint_every, "Steps; 0: only in the end");
  option(app, kRun, "--keep-checkpoints", options.keep_checkpoints, "The newest ones; the best one is kept besides");
}

void add_validation_options(CLI::App& app, TrainFlags& flags) {
  ValidationOptions& validation = flags.options.validation;
  option(app, kValidation, "--validate-every", flags.options.trainer.validate_every, "Steps; 0: never");
  option(app, kValidation, "--val-pairs", validation.pairs, "The first ones of --val-data");
  option(app, kValidation, "--val-batch-size", validation.batch_size, "Pairs that are solved and decoded together");
  option(app, kValidation, "--val-solver", validation.ode.method, "euler, midpoint, rk4, heun3, dopri5 or bosh3");
  option(app, kValidation, "--val-steps", validation.ode.steps, "Of the solver");
  option(app, kValidation, "--val-sheet", validation.sheet_pairs, "Rows of the contact sheet; 0: none");
}

void add_bundle_options(CLI::App& app, TrainFlags& flags) {
  InstallOptions& install = flags.options.install;
  app.add_option("--install-into", install.bundle, "Bundle that takes the trained coupling")->type_name("DIR")->group(kBundle);
  option(app, kBundle, "--applies-to", flags.applies_to,
         "That it upscales there: all, own (those that the bundle's denoiser draws) or other");
  option(app, kBundle, "--flow-solver", install.solver, "That its entry asks for");
  option(app, kBundle, "--flow-steps", install.flow_steps, "That its entry asks for");
  option(app, kBundle, "--back-project", install.back_projection, "Rounds for existing images that its entry asks for");
}

// An option of the network that was given, here or in the configuration file.
bool gives_network(const CLI::App& app) {
  for (const auto* known : app.get_options()) {
    if (known->get_group() == kNetwork && known->count() > 0) {
      return true;
    }
  }
  return false;
}

CfmUnetOptions network_of(const std::filesystem::path& weights) {
  const SafetensorsFile file(weights);
  const auto config = file.metadata().find("config");
  if (config == file.metadata().end()) {
    throw UsageError("'" + weights.string() + "' does not say what its network is; give --model-channels and so on");
  }
  return parse_cfm_unet_options(config->second, weights.string() + "', metadata 'config");
}

}  // namespace

void add_train_options(CLI::App& app, TrainFlags& flags) {
  add_run_options(app, flags.run);
  app.get_option("--model")->description(
      "Bundle whose autoencoder makes the latents (default: $FMBOOST_MODEL, else "
      "the bundled model)");
  app.get_option("--dtype")->description("Of the autoencoder: auto, float32, bfloat16 or float16");
  app.get_option("--json")->description("One JSON line on stdout in the end instead of the weights' path");
  add_data_options(app, flags);
  add_flow_options(app, flags);
  add_network_options(app, flags.options.train.network);
  add_optimizer_options(app, flags.options.train);
  add_run_folder_options(app, flags.options);
  app.add_flag("--no-tensorboard", flags.no_tensorboard, "Write no TensorBoard files, only metrics.jsonl")
      ->group(kRun);
  add_validation_options(app, flags);
  add_bundle_options(app, flags);
}

void finish(const CLI::App& app, TrainFlags& flags) {
  TrainingRunOptions& options = flags.options;
  options.data.images.crop.place = parse_enum<CropPlace>(flags.crop);
  options.data.images.crop.downsampling = parse_enum<Downsampling>(flags.downsampling);
  options.data.images.crop.seed = options.train.seed;
  options.data.images.cache.memory_limit = flags.cache_mebibytes << 20;
  options.train.flow.path = parse_enum<PathKind>(flags.path);
  options.train.flow.objective = parse_enum<Objective>(flags.objective);
  options.train.flow.noiseless_loss = parse_enum<NoiselessLoss>(flags.noiseless_loss);
  if (options.train.flow.noising_step_max && app.get_option("--noising-step")->count() == 0) {
    options.train.flow.noising_step = 0;
  }
  options.train.flow.upsampling = parse_enum<Upsampling>(flags.coupling);
  options.train.flow.with_context = !flags.no_context;
  options.tensorboard = !flags.no_tensorboard;
  options.bundle = upscaler_folder(model_folder(flags.run.model));
  options.install.applies_to = parse_enum<ImageSource>(flags.applies_to);
  if (!options.install.bundle.empty()) {
    options.install.bundle = upscaler_folder(options.install.bundle);
  }
  options.device = flags.run.device;
  options.dtype = flags.run.dtype;
  options.settings = app.config_to_str(/*default_also=*/false);
  if (!options.init.empty() && !gives_network(app)) {
    options.train.network = network_of(options.init);
  }
  options.check();
}

}  // namespace fmboost::tool
