#include "cli/common_options.h"

#include <ATen/Parallel.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/import/import_cache.h"

namespace fmboost::tool {

void add_verbosity_options(CLI::App& app, RunOptions& options) {
  auto* verbose = app.add_flag("-v,--verbose", options.verbose, "Say more on stderr");
  app.add_flag("-q,--quiet", options.quiet, "Say nothing but errors on stderr")->excludes(verbose);
}

void add_run_options(CLI::App& app, RunOptions& options) {
  app.add_option(
         "-m,--model", options.model,
         "Model bundle, or a .safetensors checkpoint, which is imported once (default: $FMBOOST_MODEL, else the "
         "bundled model)")
      ->type_name("DIR");
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", options.dtype,
                 "auto, float32, bfloat16 or float16; auto: bfloat16 on GPUs and on CPUs with instructions for it")
      ->capture_default_str();
  app.add_option("-t,--threads", options.threads, "CPU threads (default: one a core)")->check(CLI::Range(1, 4096));
  app.add_flag("--json", options.json, "One JSON line an image on stdout instead of its path");
  add_verbosity_options(app, options);
}

void apply(const RunOptions& options) {
  configure_logging(options.quiet ? Verbosity::quiet : options.verbose ? Verbosity::verbose : Verbosity::normal);
  if (options.threads < 0 || options.threads > 4096) {
    throw UsageError("--threads must be from 1 to 4096, not " + std::to_string(options.threads));
  }
  if (options.threads > 0) {
    at::set_num_threads(options.threads);
  }
}

std::filesystem::path model_folder(const std::string& named) {
  if (named.empty()) {
    return default_model_folder();
  }
  std::error_code unreadable;  // is for the bundle to tell
  return std::filesystem::is_regular_file(named, unreadable) ? imported_bundle(named) : std::filesystem::path(named);
}

std::shared_ptr<ModelComponents> open_upscaler(const std::string& folder, const RunOptions& options) {
  return open_model(upscaler_folder(model_folder(folder)).string(), options);
}

std::shared_ptr<ModelComponents> open_model(const std::string& folder, const RunOptions& options) {
  const Placement placement = resolve_placement(options.device, options.dtype);
  Bundle bundle(model_folder(folder));
  log_debug("model '" + bundle.manifest().name + "' from " + bundle.folder().string() + ", on " + to_string(placement) +
            " (asked for: " + options.device + " " + options.dtype + "), " + std::to_string(at::get_num_threads()) +
            " CPU threads");
  return std::make_shared<ModelComponents>(std::move(bundle), placement);
}

void add_output_options(CLI::App& app, OutputOptions& options, const std::string& output_help) {
  app.add_option("-o,--output", options.output, output_help);
  auto* force = app.add_flag("--force", options.force, "Overwrite existing files");
  app.add_flag("--skip-existing", options.skip_existing, "Leave out images whose file exists")->excludes(force);
  app.add_option("--quality", options.quality, "Of JPEG and WebP, 1 to 100; WebP is lossless at 100")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

void add_flow_options(CLI::App& app, FlowFlags& flags) {
  app.add_option("--flow-steps", flags.flow.steps, "Solver steps of each coupling (default: the bundle's)");
  app.add_option(
      "--flow-solver", flags.flow.solver,
      "Flow solver: euler, midpoint, rk4, heun3, dopri5, bosh3, sde-euler or sde-heun (default: the bundle's)");
  app.add_option("--flow-diffusion", flags.diffusion,
                 "Noise of the SDE solvers over time: sigma, linear, decreasing, increasing-decreasing or constant "
                 "(default: the bundle's, else sigma)")
      ->type_name("FORM");
  app.add_option("--flow-diffusion-norm", flags.flow.diffusion_norm,
                 "Factor of that noise; 0: none (default: the bundle's, else 1)")
      ->type_name("X");
  app.add_option("--flow-noise", flags.flow.noising_step,
                 "Noising step of 1000 that the flow starts from; 0: none (default: the bundle's)");
  app.add_option("--back-project", flags.flow.back_projection,
                 "Rounds that bring the result back to what is upscaled (default: the bundle's)");
  app.add_option("--fidelity", flags.flow.fidelity,
                 "From 0, generative: the most noise and no back-projection, to 1, faithful: no noise and the most "
                 "back-projection; --flow-noise and --back-project win over it (default: the bundle's)")
      ->type_name("F");
  app.add_option("--upsampling", flags.coupling,
                 "pixel: upscale pixels, latent: upscale the latent (default: the bundle's)");
  app.add_option("--tile", flags.tile, "Side of the pieces that large images are made in: auto, off or pixels")
      ->capture_default_str();
  app.add_option("--tile-overlap", flags.tiles.overlap,
                 "Pixels that neighboring windows of TorchScript programs share at least")
      ->capture_default_str();
}

void finish(FlowFlags& flags) {
  if (!flags.coupling.empty()) {
    flags.flow.upsampling = parse_enum<Upsampling>(flags.coupling);
  }
  if (!flags.diffusion.empty()) {
    flags.flow.diffusion_form = parse_enum<DiffusionForm>(flags.diffusion);
  }
  flags.tiles.automatic = flags.tile == "auto";
  flags.tiles.size = 0;
  if (!flags.tiles.automatic && flags.tile != "off") {
    const bool number = !flags.tile.empty() && flags.tile.size() < 6 &&
                        flags.tile.find_first_not_of("0123456789") == std::string::npos && flags.tile != "0";
    if (!number) {
      throw UsageError("--tile takes auto, off or a number of pixels, not '" + flags.tile + "'");
    }
    flags.tiles.size = std::stoll(flags.tile);
  }
  flags.flow.check();
  flags.tiles.check();
}

}  // namespace fmboost::tool
