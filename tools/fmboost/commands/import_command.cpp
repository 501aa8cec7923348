#include <iostream>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/import/import_model.h"
#include "fmboost/io/atomic_folder.h"

#include "cli/common_options.h"
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
  std::string dtype;
  bool force = false;
};

void add_schedule_options(CLI::App& app, SamplingChoices& choices) {
  app.add_option(
      "--sampler", choices.sampler,
      "Default sampler: lcm, ddim, euler, euler-a or dpm++2m (default: after the model's scheduler; lcm with "
      "an LCM-LoRA)");
  app.add_option("--steps", choices.steps, "Default steps (default: 4 of lcm, else 25)");
  app.add_option("--guidance,--cfg-scale", choices.guidance,
                 "Default guidance (default: 7.5; of lcm 1, or 8.5 where it is an input of the network)");
  app.add_option("--prediction", choices.prediction,
                 "What the denoiser predicts: epsilon or v_prediction (default: as the model says)");
  app.add_option("--beta-schedule", choices.beta_schedule, "scaled_linear or linear (default: the model's)");
  app.add_option("--beta-start", choices.beta_start, "First beta of the noise schedule (default: the model's)");
  app.add_option("--beta-end", choices.beta_end, "Last beta of the noise schedule (default: the model's)");
  app.add_option("--timestep-spacing", choices.timestep_spacing,
                 "linspace, leading or trailing (default: the model's, else the sampler's)");
}

void add_options(CLI::App& app, ImportFlags& flags) {
  ImportOptions& options = flags.options;
  app.add_option("source", options.source,
                 "A .safetensors file with a whole model, in the original layout or diffusers', or a folder in "
                 "diffusers' layout")
      ->required();
  app.add_option("-o,--output", flags.output, "The bundle's folder")->type_name("DIR")->required();
  app.add_option("--vae", options.vae, "An autoencoder in place of the model's: file or folder; a tiny one (TAESD) too")
      ->type_name("FILE");
  app.add_option("--lora", flags.loras, "A LoRA to merge, FILE or FILE:WEIGHT; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--cfm", options.cfm, "A coupling network, with its configuration in its metadata")->type_name("FILE");
  app.add_option("--cfm-factor", options.cfm_factors, "How much it upscales (default: 2); repeated: a coupling each")
      ->allow_extra_args(false);
  app.add_option("--cfm-noising-step", options.cfm_noising_step, "Default: the file's, else 400; 0: no noise");
  app.add_option("--dtype", flags.dtype,
                 "How weights are stored: float32, bfloat16 or float16 (default: as they were)");
  add_schedule_options(app, options.sampling);
  app.add_option("--native-size", options.native_size,
                 "Pixels a side that the model was trained at (default: as its configuration says, else 512)");
  app.add_option(
         "--clip-skip", options.clip_skip,
         "Layer of CLIP's text encoder that the denoiser was trained with, 1: the last one (default: the model's)")
      ->type_name("N");
  app.add_option("--name", options.name, "The bundle's name (default: the model's)");
  app.add_option("--license", options.license, "The weights' license");
  app.add_flag("--force", flags.force, "Replace an existing bundle");
  app.add_flag("--json", flags.run.json, "One JSON line on stdout instead of the path");
  add_verbosity_options(app, flags.run);
}

void report_unused(const UnusedTensors& unused) {
  log_info("not used: " + std::to_string(unused.names.size()) + " " +
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
  apply(flags.run);
  for (const auto& lora : flags.loras) {
    flags.options.loras.push_back(parse_lora_choice(lora));
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
