#include "settings/train_options.h"

#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "cli/config_file.h"
#include "settings/degradation_options.h"

namespace fmboost::tool {
namespace {

constexpr const char* kDataGroup = "Data";
constexpr const char* kImageDataGroup = "Data: folders of images";
constexpr const char* kFlowGroup = "Flow";
constexpr const char* kNetworkGroup = "Network";
constexpr const char* kOptimizerGroup = "Optimizer";
constexpr const char* kEmaGroup = "Average of the weights";
constexpr const char* kRunGroup = "Run";
constexpr const char* kValidationGroup = "Validation";
constexpr const char* kBundleGroup = "Installation into a bundle";

template <typename Value>
CLI::Option* option(CLI::App& app, const char* group, const std::string& name, Value& value,
                    const std::string& description) {
  return app.add_option(name, value, description)->capture_default_str()->group(group);
}

void add_data_options(CLI::App& app, TrainFlags& flags) {
  TrainingDataOptions& data = flags.options.data;
  app.add_option("--data", data.training,
                 "Folders of shards made by `encode`, or of images to encode during training; several are mixed, also "
                 "with different factors")
      ->type_name("DIR")
      ->group(kDataGroup);
  app.add_option("--val-data", data.validation, "The same for validation")->type_name("DIR")->group(kDataGroup);
  app.add_option("--crop-size", data.crop_sizes,
                 "Side of the squares cropped from the latents, in latent pixels; several: one is drawn per batch "
                 "(default: whole latents)")
      ->group(kDataGroup);
  option(app, kDataGroup, "--num-workers", data.num_workers, "Loader threads");
  option(app, kDataGroup, "--prefetch", data.prefetch, "Batches kept ready");
  app.add_flag("--accept-other-autoencoder", data.accept_other_autoencoder,
               "Accept shards made with the autoencoder of another bundle")
      ->group(kDataGroup);
}

void add_image_data_options(CLI::App& app, TrainFlags& flags) {
  ImageDatasetOptions& images = flags.options.data.images;
  ImageCropOptions& crop = images.crop;
  option(app, kImageDataGroup, "--high", crop.high, "Side of the large squares in pixels, a multiple of --low");
  option(app, kImageDataGroup, "--low", crop.low, "Side of the small squares in pixels");
  option(app, kImageDataGroup, "--crop", flags.crop, "Where squares are cut: random or center");
  option(app, kImageDataGroup, "--crops", crop.crops,
         "Different squares per image; the fewer, the more fit into the cache");
  app.add_flag("--flip", crop.flip,
               "Mirror half of the squares before encoding; latents themselves are never mirrored, which would not be "
               "exact")
      ->group(kImageDataGroup);
  app.add_flag("--fit", crop.fit, "Downsample images first, so that their shorter side is --high")
      ->group(kImageDataGroup);
  option(app, kImageDataGroup, "--downsample", flags.downsample,
         "How small squares are made: area (mean), bilinear or bicubic (both antialiased)");
  add_degradation_options(app, crop.degradation, kImageDataGroup);
  app.add_option("--cache", images.cache.folder, "Folder for the cached latents (default: kept in memory)")
      ->type_name("DIR")
      ->group(kImageDataGroup);
  option(app, kImageDataGroup, "--cache-memory", flags.cache_mebibytes, "Memory for cached latents, in MiB");
}

void add_flow_options(CLI::App& app, TrainFlags& flags) {
  FlowLossOptions& flow = flags.options.train.flow;
  app.add_option("--factor", flags.options.factor, "Upscaling factor of the coupling (default: the data's)")
      ->group(kFlowGroup);
  option(app, kFlowGroup, "--objective", flags.objective,
         "velocity: flow matching; energy: match the distribution of latents at the ends of short rollouts, to "
         "fine-tune a trained coupling");
  option(
      app, kFlowGroup, "--upsampling", flags.upsampling,
      "Context: pixel (latent of the upsampled image), latent, latent-nearest or noise-upsampling (upsampled latent), "
      "or identity");
  option(app, kFlowGroup, "--path", flags.path, "Probability path: linear or gvp");
  option(app, kFlowGroup, "--sigma-min", flow.sigma_min, "Standard deviation of noise added along a linear path");
  option(app, kFlowGroup, "--noising-step", flow.noising_step,
         "Noising step of the start of the flow, out of 1000; 0: start at the context itself");
  app.add_option("--noising-step-max", flow.noising_step_max,
                 "Draw the noising step of each pair from --noising-step (then 0 by default) to this one, both "
                 "included; --fidelity selects among them later")
      ->group(kFlowGroup);
  option(app, kFlowGroup, "--noising-share", flow.noising_share,
         "With --noising-step-max: share of the pairs whose step is drawn; the others use the smallest one, which "
         "faithful upscaling needs");
  app.add_flag("--start-from-noise", flow.start_from_noise, "Start the flow from pure noise")->group(kFlowGroup);
  app.add_flag("--no-context", flags.no_context, "Do not feed the context to the network")->group(kFlowGroup);
  option(app, kFlowGroup, "--rollout-steps", flow.rollout_steps,
         "With --objective energy: rollouts take 1, 2, 4, ... up to this many Euler steps");
  option(app, kFlowGroup, "--noiseless-loss", flags.noiseless_loss,
         "With --objective energy, for pairs without noise: mse (predicts the mean, faithful) or patch-distance "
         "(predicts the geometric median, sharper)");
}

void add_network_options(CLI::App& app, CfmUnetOptions& network) {
  option(app, kNetworkGroup, "--model-channels", network.model_channels,
         "Channels of the first level, a multiple of 32");
  option(app, kNetworkGroup, "--channel-mult", network.channel_mult,
         "Channels of each level, as multiples of --model-channels");
  option(app, kNetworkGroup, "--num-res-blocks", network.num_res_blocks, "Residual blocks per level");
  option(app, kNetworkGroup, "--attention-resolutions", network.attention_resolutions,
         "Downsampling factors of the levels with attention");
  option(app, kNetworkGroup, "--num-heads", network.num_heads, "Attention heads");
  option(app, kNetworkGroup, "--dim-head", network.dim_head, "Channels per attention head");
  app.add_flag("--use-linear-attn,!--no-use-linear-attn", network.use_linear_attn,
               "Use linear instead of softmax attention")
      ->group(kNetworkGroup);
  app.add_flag("--use-scale-shift-norm,!--no-use-scale-shift-norm", network.use_scale_shift_norm,
               "Scale and shift the second norm of a block by the time embedding (default), or add it before the norm")
      ->group(kNetworkGroup);
  app.add_flag("--conv-resample,!--no-conv-resample", network.conv_resample,
               "Change sizes with convolutions (default), or by averaging and repeating")
      ->group(kNetworkGroup);
  option(app, kNetworkGroup, "--dropout", network.dropout, "Dropout in every block, at least 0 and less than 1");
  option(app, kNetworkGroup, "--pool-factor", network.pool_factor,
         "Greater than 1: the network works on latent pixels pooled by this factor");
}

void add_optimizer_options(CLI::App& app, TrainOptions& train) {
  OptimizerOptions& optimizer = train.optimizer;
  option(app, kOptimizerGroup, "--steps", train.steps, "Optimizer steps of the whole run");
  option(app, kOptimizerGroup, "--batch-size", train.batch_size, "Pairs per batch in each process");
  option(app, kOptimizerGroup, "--accumulate", train.accumulate, "Batches whose gradients are averaged into one step");
  option(app, kOptimizerGroup, "--lr", optimizer.lr, "Learning rate");
  option(app, kOptimizerGroup, "--lr-schedule", train.schedule.shape,
         "Learning rate after the warm-up: constant or cosine");
  option(app, kOptimizerGroup, "--warmup", train.schedule.warmup_steps,
         "Steps in which the learning rate rises from 0");
  option(app, kOptimizerGroup, "--lr-final-factor", train.schedule.final_factor,
         "Learning rate at the end of the cosine schedule, as a multiple of --lr");
  option(app, kOptimizerGroup, "--optimizer", optimizer.method, "adam or adamw");
  option(app, kOptimizerGroup, "--weight-decay", optimizer.weight_decay,
         "Weight decay: added to the gradient by adam, decoupled in adamw");
  option(app, kOptimizerGroup, "--beta1", optimizer.beta1, "Decay of the gradients' running mean");
  option(app, kOptimizerGroup, "--beta2", optimizer.beta2, "Decay of the squared gradients' running mean");
  option(app, kOptimizerGroup, "--eps", optimizer.eps, "Epsilon added to the denominator");
  option(app, kOptimizerGroup, "--clip-norm", train.clip_norm, "Maximum norm of the gradient; 0: no limit");
  option(app, kOptimizerGroup, "--optimizer-kernels", optimizer.kernels,
         "auto, fused or foreach; auto: fused if LibTorch has it");
  option(app, kOptimizerGroup, "--precision", train.precision,
         "bf16-mixed, float32 or auto; auto: bf16-mixed on GPUs and on CPUs with bfloat16 instructions, otherwise "
         "float32; weights are always float32");
  option(app, kOptimizerGroup, "--memory-format", train.memory_format,
         "channels-last, contiguous or auto; auto: channels-last on GPUs, otherwise contiguous");
  option(app, kOptimizerGroup, "-s,--seed", train.seed, "Seed of weights, order, crops and noise");
  EmaOptions& ema = train.ema;
  option(app, kEmaGroup, "--ema-beta", ema.beta, "Maximum decay");
  option(app, kEmaGroup, "--ema-power", ema.power, "decay = 1 - (1 + steps)^-power, up to --ema-beta");
  option(app, kEmaGroup, "--ema-update-after-step", ema.update_after_step,
         "Until this step the average is a copy of the weights");
  option(app, kEmaGroup, "--ema-update-every", ema.update_every, "Steps between updates");
}

void add_run_folder_options(CLI::App& app, TrainingRunOptions& options) {
  app.add_option("-o,--output", options.output, "Folder of the run, for checkpoints, logs and weights")
      ->type_name("DIR")
      ->group(kRunGroup);
  app.add_option("--init", options.init,
                 "Coupling weights to start from; they also set the network, unless network options are given")
      ->type_name("FILE")
      ->group(kRunGroup);
  auto* resume = app.add_flag("--resume", options.resume, "Continue the run in -o from its newest checkpoint")
                     ->configurable(false)
                     ->group(kRunGroup);
  app.add_option("--resume-step", options.resume_step, "Continue from the checkpoint of this step")
      ->needs(resume)
      ->configurable(false)
      ->group(kRunGroup);
  app.add_flag("--force", options.force,
               "Start over in a folder that contains a run, delete checkpoints after --resume-step, replace the "
               "bundle's coupling")
      ->configurable(false)
      ->group(kRunGroup);
  option(app, kRunGroup, "--log-every", options.trainer.log_every, "Steps between reports");
  option(app, kRunGroup, "--checkpoint-every", options.trainer.checkpoint_every,
         "Steps between checkpoints; 0: only one at the end");
  option(app, kRunGroup, "--keep-checkpoints", options.keep_checkpoints,
         "Newest checkpoints to keep, in addition to the best one");
}

void add_validation_options(CLI::App& app, TrainFlags& flags) {
  ValidationOptions& validation = flags.options.validation;
  option(app, kValidationGroup, "--validate-every", flags.options.trainer.validate_every,
         "Steps between validations; 0: never");
  option(app, kValidationGroup, "--val-pairs", validation.pairs, "Pairs to use, the first ones of --val-data");
  option(app, kValidationGroup, "--val-batch-size", validation.batch_size, "Pairs solved and decoded together");
  option(app, kValidationGroup, "--val-solver", validation.ode.method, "euler, midpoint, rk4, heun3, dopri5 or bosh3");
  option(app, kValidationGroup, "--val-steps", validation.ode.steps, "Solver steps");
  option(app, kValidationGroup, "--val-sheet", validation.sheet_pairs, "Rows of the contact sheet; 0: none");
}

void add_bundle_options(CLI::App& app, TrainFlags& flags) {
  InstallOptions& install = flags.options.install;
  app.add_option("--install-into", install.bundle, "Bundle to install the trained coupling into")
      ->type_name("BUNDLE")
      ->group(kBundleGroup);
  option(app, kBundleGroup, "--applies-to", flags.applies_to,
         "Images that the coupling upscales there: any, generated (by the bundle's denoiser) or external");
  option(app, kBundleGroup, "--flow-solver", install.solver, "Default solver of the installed coupling");
  option(app, kBundleGroup, "--flow-steps", install.flow_steps, "Default solver steps of the installed coupling");
  option(app, kBundleGroup, "--back-project", install.back_projection,
         "Default rounds of back-projection for existing images");
}

// Whether a network option was given, on the command line or in the configuration file.
bool network_given(const CLI::App& app) {
  for (const auto* known : app.get_options()) {
    if (known->get_group() == kNetworkGroup && known->count() > 0) {
      return true;
    }
  }
  return false;
}

CfmUnetOptions network_of(const std::filesystem::path& weights) {
  const SafetensorsFile file(weights);
  const auto config = file.metadata().find("config");
  if (config == file.metadata().end()) {
    throw UsageError("'" + weights.string() +
                     "' has no network configuration; set it with `model_channels` and the other network options");
  }
  return parse_cfm_unet_options(config->second, weights.string() + "', metadata 'config");
}

}  // namespace

void add_train_options(CLI::App& app, TrainFlags& flags) {
  add_data_options(app, flags);
  add_image_data_options(app, flags);
  add_run_folder_options(app, flags.options);
  app.add_flag("--no-tensorboard", flags.no_tensorboard, "Do not write TensorBoard files beside metrics.jsonl")
      ->group(kRunGroup);
  add_optimizer_options(app, flags.options.train);
  add_flow_options(app, flags);
  add_network_options(app, flags.options.train.network);
  add_validation_options(app, flags);
  add_bundle_options(app, flags);
  add_run_options(app, flags.run);
  app.get_option("--model")->description(
      "Bundle whose autoencoder makes the latents (default: $FMBOOST_MODEL, otherwise the bundled model)");
  app.get_option("--dtype")->description("Precision of the autoencoder: auto, float32, bfloat16 or float16");
  app.get_option("--json")->description("Print one JSON line on stdout at the end instead of the path of the weights");
}

void resolve(const CLI::App& app, TrainFlags& flags) {
  TrainingRunOptions& options = flags.options;
  options.data.images.crop.place = parse_enum<CropPlace>(flags.crop);
  options.data.images.crop.downsampling = parse_enum<Downsampling>(flags.downsample);
  options.data.images.crop.seed = options.train.seed;
  options.data.images.cache.memory_limit = flags.cache_mebibytes << 20;
  options.train.flow.path = parse_enum<PathKind>(flags.path);
  options.train.flow.objective = parse_enum<Objective>(flags.objective);
  options.train.flow.noiseless_loss = parse_enum<NoiselessLoss>(flags.noiseless_loss);
  if (options.train.flow.noising_step_max && app.get_option("--noising-step")->count() == 0) {
    options.train.flow.noising_step = 0;
  }
  options.train.flow.upsampling = parse_enum<Upsampling>(flags.upsampling);
  options.train.flow.with_context = !flags.no_context;
  options.tensorboard = !flags.no_tensorboard;
  options.bundle = upscaler_folder(model_folder(flags.run.model));
  options.install.applies_to = parse_enum<ImageSource>(flags.applies_to);
  if (!options.install.bundle.empty()) {
    options.install.bundle = upscaler_folder(options.install.bundle);
  }
  options.device = flags.run.device;
  options.dtype = flags.run.dtype;
  options.settings = config_text(app, /*defaults=*/false);
  if (!options.init.empty() && !network_given(app)) {
    options.train.network = network_of(options.init);
  }
  options.check();
}

}  // namespace fmboost::tool
