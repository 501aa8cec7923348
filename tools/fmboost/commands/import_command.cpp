#include <iostream>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/import/import_model.h"
#include "fmboost/io/atomic_folder.h"

#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "commands/command.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ImportFlags {
  RunOptions run;
  ImportOptions options;
  std::string output;
  std::vector<std::string> loras;
  std::string interpolate;
  std::string dtype;
  bool force = false;
};

constexpr const char* kComponentsGroup = "Components";
constexpr const char* kDefaultsGroup = "Defaults of the bundle";
constexpr const char* kScheduleGroup = "Noise schedule";

void add_components(CLI::App& app, ImportFlags& flags) {
  ImportOptions& options = flags.options;
  app.add_option("--vae", options.vae,
                 "Autoencoder that replaces the model's: a file or a folder; tiny ones (TAESD) work too")
      ->type_name("PATH")
      ->group(kComponentsGroup);
  app.add_option("--lora", flags.loras, "LoRA to merge: FILE or FILE:WEIGHT; can be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->group(kComponentsGroup);
  app.add_option("--pixel-upscaler", options.pixel_upscaler,
                 "Upscaling network of ESRGAN's family, which the bundle then uses instead of couplings")
      ->type_name("FILE")
      ->group(kComponentsGroup);
  app.add_option("--interpolate", flags.interpolate,
                 "FILE or FILE:WEIGHT: mix the pixel upscaler with another of the same shapes, (1 - WEIGHT) of the first "
                 "and WEIGHT (default: 0.5) of this one")
      ->type_name("FILE")
      ->group(kComponentsGroup);
  app.add_option("--cfm", options.cfm, "Coupling network, with its configuration in its metadata")
      ->type_name("FILE")
      ->group(kComponentsGroup);
  app.add_option("--cfm-factor", options.cfm_factors,
                 "Upscaling factor of the coupling (default: 2); repeat it for several couplings with this network")
      ->allow_extra_args(false)
      ->group(kComponentsGroup);
  app.add_option("--cfm-noising-step", options.cfm_noising_step,
                 "Noising step of the coupling; 0: no noise (default: the file's, otherwise 400)")
      ->group(kComponentsGroup);
}

void add_sampling_defaults(CLI::App& app, ImportFlags& flags) {
  SamplingChoices& choices = flags.options.sampling;
  app.add_option("--sampler", choices.sampler,
                 "lcm, tcd, ddim, euler, euler-a or dpm++2m (default: matches the model's scheduler, or the kind of a "
                 "LoRA for few steps)")
      ->group(kDefaultsGroup);
  app.add_option("--steps", choices.steps, "Denoising steps (default: 4 for lcm and tcd, otherwise 25)")
      ->group(kDefaultsGroup);
  app.add_option("--guidance,--cfg-scale", choices.guidance,
                 "Guidance scale (default: 7.5; for lcm and tcd 1, or 8.5 if guidance is an input of the network)")
      ->group(kDefaultsGroup);
  app.add_option("--clip-skip", flags.options.clip_skip,
                 "Layer of the CLIP text encoder that the denoiser was trained with; 1 is the last (default: the "
                 "model's)")
      ->group(kDefaultsGroup);
  app.add_option("--native-size", flags.options.native_size,
                 "Side in pixels of the images that the model was trained on (default: from its configuration, "
                 "otherwise 512)")
      ->group(kDefaultsGroup);
}

void add_schedule_options(CLI::App& app, SamplingChoices& choices) {
  app.add_option("--prediction", choices.prediction,
                 "Prediction type of the denoiser: epsilon or v_prediction (default: the model's)")
      ->group(kScheduleGroup);
  app.add_option("--beta-schedule", choices.beta_schedule, "scaled_linear or linear (default: the model's)")
      ->group(kScheduleGroup);
  app.add_option("--beta-start", choices.beta_start, "First beta of the noise schedule (default: the model's)")
      ->group(kScheduleGroup);
  app.add_option("--beta-end", choices.beta_end, "Last beta of the noise schedule (default: the model's)")
      ->group(kScheduleGroup);
  app.add_option("--timestep-spacing", choices.timestep_spacing,
                 "linspace, leading or trailing (default: the model's, otherwise the sampler's)")
      ->group(kScheduleGroup);
}

void add_options(CLI::App& app, ImportFlags& flags) {
  ImportOptions& options = flags.options;
  app.add_option("source", options.source,
                 "Whole model: a .safetensors or PyTorch file in the original or the diffusers layout, or a diffusers folder; or "
                 "an upscaling network of ESRGAN's family")
      ->required();
  app.add_option("-o,--output", flags.output, "Folder of the bundle")
      ->type_name("DIR")
      ->required()
      ->group(kOutputGroup);
  app.add_flag("--force", flags.force, "Replace an existing bundle")->group(kOutputGroup);
  app.add_option("--dtype", flags.dtype, "Stored weights: float32, bfloat16 or float16 (default: unchanged)")
      ->group(kOutputGroup);
  app.add_option("--name", options.name, "Name of the bundle (default: the model's)")->group(kOutputGroup);
  app.add_option("--license", options.license, "License of the weights")->group(kOutputGroup);
  app.add_flag("--json", flags.run.json, "Print one JSON line on stdout instead of the path")->group(kOutputGroup);
  add_components(app, flags);
  add_sampling_defaults(app, flags);
  add_schedule_options(app, options.sampling);
  add_verbosity_options(app, flags.run);
}

void report_unused(const UnusedTensors& unused) {
  log_info("unused: " + std::to_string(unused.names.size()) + " " +
           (unused.names.size() == 1 ? unused.names.front() + ", " : "") + unused.reason);
  for (const auto& name : unused.names) {
    log_debug("  " + name);
  }
}

json to_json(const ImportReport& report, const std::string& output) {
  json files = json::array();
  for (const auto& file : report.files) {
    files.push_back({{"file", file.file}, {"tensors", file.tensors}, {"bytes", file.bytes}});
  }
  json unused = json::array();
  for (const auto& group : report.unused) {
    unused.push_back({{"reason", group.reason}, {"names", group.names}});
  }
  return {{"output", output},          {"what", report.what}, {"files", files},
          {"notices", report.notices}, {"unused", unused},    {"error", nullptr}};
}

void print_report(const ImportFlags& flags, const ImportReport& report) {
  for (const auto& notice : report.notices) {
    log_warning(notice);
  }
  for (const auto& file : report.files) {
    log_info(file.file + ": " + std::to_string(file.tensors) + " tensors, " + format_bytes(file.bytes));
  }
  for (const auto& unused : report.unused) {
    report_unused(unused);
  }
  if (flags.run.json) {
    std::cout << to_json(report, flags.output).dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    std::cout << flags.output << "\n";
  }
}

int run_import(ImportFlags flags) {
  configure_verbosity(flags.run);
  for (const auto& lora : flags.loras) {
    flags.options.loras.push_back(parse_lora_choice(lora));
  }
  if (!flags.interpolate.empty()) {
    flags.options.interpolate = parse_lora_choice(flags.interpolate, "interpolate", flags.options.interpolate.weight);
  }
  if (!flags.dtype.empty()) {
    flags.options.dtype = parse_dtype(flags.dtype);
  }
  flags.options.check();
  AtomicFolder folder(flags.output, "bundle.json", flags.force);
  const ImportReport report =
      import_model(flags.options, folder.path(), [](const std::string& file) { log_info("writing " + file); });
  folder.commit();
  log_info("'" + flags.options.source.string() + "' is " + report.what);
  print_report(flags, report);
  return 0;
}

}  // namespace

std::function<int()> add_import(CLI::App& app) {
  auto flags = std::make_shared<ImportFlags>();
  add_options(app, *flags);
  return [flags] { return run_import(*flags); };
}

}  // namespace fmboost::tool
