#include "cli/common_options.h"

#include <ATen/Parallel.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/import/import_cache.h"

#include "cli/option_groups.h"
#include "settings/generate_settings.h"

namespace fmboost::tool {

const std::vector<Setting<RunOptions>>& run_settings() {
  static const std::vector<Setting<RunOptions>> table{
      make_setting<RunOptions>(
          {.name = "device", .group = kModelGroup, .help = "auto, cpu, cuda or cuda:N", .shown = "auto"},
          [](auto& run) -> auto& { return run.device; }),
      make_setting<RunOptions>(
          {.name = "dtype",
           .group = kModelGroup,
           .help = "auto, float32, bfloat16 or float16; auto: bfloat16 on GPUs and on CPUs with "
                   "bfloat16 instructions, otherwise float32",
           .shown = "auto"},
          [](auto& run) -> auto& { return run.dtype; }),
      make_setting<RunOptions>(
          {.name = "threads",
           .group = kModelGroup,
           .help = "CPU threads (default: one per core)",
           .flags = "-t,--threads",
           .range = std::pair(1.0, 4096.0)},
          [](auto& run) -> auto& { return run.threads; })};
  return table;
}

const std::vector<Setting<OutputOptions>>& quality_settings() {
  static const std::vector<Setting<OutputOptions>> table{make_setting<OutputOptions>(
      {.name = "quality",
       .group = kOutputGroup,
       .help = "Quality of JPEG and WebP files, from 1 to 100; WebP is lossless at 100",
       .shown = std::to_string(OutputOptions{}.quality),
       .range = std::pair(1.0, 100.0)},
      [](auto& output) -> auto& { return output.quality; })};
  return table;
}

const std::vector<Setting<OutputOptions>>& lossless_settings() {
  static const std::vector<Setting<OutputOptions>> table{
      make_setting<OutputOptions>(
          {.name = "bit_depth",
           .group = kOutputGroup,
           .help = "Bits per sample of PNG and TIFF files: auto (those of the source), 8 or 16",
           .shown = "auto"},
          [](auto& output) -> auto& { return output.bit_depth; }),
      make_setting<OutputOptions>(
          {.name = "png_level",
           .group = kOutputGroup,
           .help = "Compression of PNG and TIFF files, from 0 (none) to 9 (smallest)",
           .shown = std::to_string(OutputOptions{}.png_level),
           .range = std::pair(0.0, 9.0)},
          [](auto& output) -> auto& { return output.png_level; })};
  return table;
}

void add_verbosity_options(CLI::App& app, RunOptions& options) {
  auto* verbose = app.add_flag("-v,--verbose", options.verbose, "Verbose log on stderr")->group(kGeneralGroup);
  app.add_flag("-q,--quiet", options.quiet, "Print only errors on stderr")->excludes(verbose)->group(kGeneralGroup);
}

void add_run_options(CLI::App& app, RunOptions& options) {
  app.add_option("-m,--model", options.model,
                 "Model bundle, or a checkpoint (.safetensors, .ckpt, .pth), which is imported once (default: "
                 "$FMBOOST_MODEL, otherwise the bundled model)")
      ->type_name("PATH")
      ->group(kModelGroup);
  add_settings(app, run_settings());
  app.add_flag("--json", options.json, "Print one JSON line per image on stdout instead of its path")
      ->group(kOutputGroup);
  add_verbosity_options(app, options);
}

void configure_verbosity(const RunOptions& options) {
  configure_logging(options.quiet ? Verbosity::quiet : options.verbose ? Verbosity::verbose : Verbosity::normal);
}

void configure_runtime(const CLI::App& app, RunOptions& options) {
  configure_verbosity(options);
  read_given(app, run_settings(), options);
  if (options.threads > 0) {
    at::set_num_threads(options.threads);
  }
}

std::filesystem::path model_folder(const std::string& named) {
  if (named.empty()) {
    return default_model_folder();
  }
  std::error_code unreadable;  // Bundle reports it
  return std::filesystem::is_regular_file(named, unreadable) ? imported_bundle(named) : std::filesystem::path(named);
}

std::shared_ptr<ModelComponents> open_upscaler(const std::string& folder, const RunOptions& options) {
  return open_model(upscaler_folder(model_folder(folder)).string(), options);
}

std::shared_ptr<ModelComponents> open_model(const std::string& folder, const RunOptions& options) {
  const Placement placement = resolve_placement(options.device, options.dtype);
  Bundle bundle(model_folder(folder));
  log_debug("model '" + bundle.manifest().name + "' from " + bundle.folder().string() + ", on " + to_string(placement) +
            " (requested: " + options.device + " " + options.dtype + "), " + std::to_string(at::get_num_threads()) +
            " CPU threads");
  return std::make_shared<ModelComponents>(std::move(bundle), placement);
}

void add_output_options(CLI::App& app, OutputOptions& options, const std::string& output_help) {
  app.add_option("-o,--output", options.output, output_help)->type_name("PATH")->group(kOutputGroup);
  auto* force = app.add_flag("--force", options.force, "Overwrite existing files")->group(kOutputGroup);
  app.add_flag("--skip-existing", options.skip_existing, "Skip images whose output file exists")
      ->excludes(force)
      ->group(kOutputGroup);
  add_settings(app, quality_settings());
  add_settings(app, lossless_settings());
}

void add_upscaling_settings(CLI::App& app) {
  add_settings(app, flow_settings());
  add_settings(app, tile_settings());
}

void read_upscaling_settings(const CLI::App& app, FlowOptions& flow, TileOptions& tiles) {
  read_given(app, flow_settings(), flow);
  read_given(app, tile_settings(), tiles);
  flow.check();
  tiles.check();
}

}  // namespace fmboost::tool
