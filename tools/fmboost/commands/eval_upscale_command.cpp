#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/eval/upscaling.h"
#include "fmboost/image/metrics.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/batch_errors.h"
#include "fmboost/pipeline/upscale.h"

#include "cli/option_groups.h"
#include "commands/command.h"
#include "output/eval_output.h"
#include "output/quality_report.h"

namespace fmboost::tool {
namespace {

using nlohmann::json;

struct EvalUpscaleFlags {
  EvalReportOptions report;
  std::vector<std::string> originals;
  std::optional<std::int64_t> border;
  int scale = 2;
  UpscaleOptions options;
  std::string color_fix = enum_name(UpscaleOptions{}.color_fix);
};

void add_options(CLI::App& app, EvalUpscaleFlags& flags) {
  app.add_option("originals", flags.originals, "Images and folders of images")->required();
  app.add_option("--scale", flags.scale, "Factor by which the originals are downsampled and upscaled again")
      ->check(CLI::Range(2, 16))
      ->capture_default_str()
      ->group(kSizeGroup);
  app.add_option("--border", flags.border, "Pixels to ignore along each edge (default: the scale)")
      ->check(CLI::Range(0, 4096))
      ->group(kMeasurementGroup);
  add_upscaling_settings(app);
  app.add_option("--color-fix", flags.color_fix, "Match colors to the input: none, adain or wavelet")
      ->capture_default_str()
      ->group(kUpscalingGroup);
  app.add_option("-s,--seed", flags.options.seed, "Seed of the flow's noise")
      ->capture_default_str()
      ->group(kUpscalingGroup);
  add_run_options(app, flags.report.run);
  app.remove_option(app.get_option("--json"));
  add_report_options(app, flags.report);
}

void resolve(const CLI::App& app, EvalUpscaleFlags& flags) {
  check_report(flags.report);
  read_upscaling_settings(app, flags.options.flow, flags.options.tiles);
  flags.options.scale = flags.scale;
  flags.options.color_fix = parse_enum<ColorFix>(flags.color_fix);
  flags.options.check();
}

/// An upscaler and its key in JSON, which does not depend on the model.
struct NamedUpscaler {
  std::string key;
  Upscaler upscaler;
};

// The model as one more upscaler; stores the time that it took in `seconds`.
Upscaler model_upscaler(UpscalePipeline& pipeline, const std::string& name, ProgressBar& bar, double& seconds) {
  return {name, [&](const torch::Tensor& low, std::int64_t, std::int64_t) {
            const auto start = std::chrono::steady_clock::now();
            Image source;
            source.pixels = low.squeeze(0);
            const torch::Tensor upscaled = pipeline.run(source, {.progress = bar.callback(), .intermediate = {}}).image.pixels.unsqueeze(0);
            seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            return upscaled;
          }};
}

std::vector<NamedUpscaler> model_free_upscalers() {
  constexpr int kRounds = 2;
  const auto back_projected = [](const torch::Tensor& low, std::int64_t height, std::int64_t width) {
    return back_project(upsample_bicubic(low, height, width), low, kRounds);
  };
  return {{"bicubic", {"bicubic", upsample_bicubic}},
          {"lanczos", {"Lanczos", upsample_lanczos}},
          {"back_projection", {"bicubic + 2 back-projections", back_projected}}};
}

std::vector<Method> methods_of(const std::vector<NamedUpscaler>& upscalers) {
  std::vector<Method> methods;
  for (const auto& [key, upscaler] : upscalers) {
    methods.push_back({key, upscaler.name});
  }
  return methods;
}

// An image's name, or its path if another image has the same name.
std::string short_name(const std::vector<InputImage>& sources, std::size_t index) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (i != index && sources[i].name == sources[index].name) {
      return sources[index].file.string();
    }
  }
  return sources[index].name;
}

std::vector<Quality> measure_all(const UpscalingTask& task, const std::vector<NamedUpscaler>& upscalers,
                                 std::int64_t border) {
  std::vector<Quality> qualities;
  for (const auto& named : upscalers) {
    qualities.push_back(measure_upscaler(task, named.upscaler, border));
  }
  return qualities;
}

json methods_json(const std::vector<NamedUpscaler>& upscalers, const std::vector<Quality>& qualities) {
  json result;
  for (std::size_t i = 0; i < upscalers.size(); ++i) {
    result[upscalers[i].key] = to_json(qualities[i]);
  }
  return result;
}

json summary_of(const EvalUpscaleFlags& flags, std::int64_t border, const ModelComponents& model, double seconds) {
  return {{"scale", flags.scale},
          {"border", border},
          {"model", model.manifest().name},
          {"model_hash", model.bundle().hash()},
          {"placement", to_string(model.placement())},
          {"seconds_per_image", seconds}};
}

int run_eval_upscale(const CLI::App& app, EvalUpscaleFlags flags) {
  configure_runtime(app, flags.report.run);
  resolve(app, flags);
  const std::int64_t border = flags.border.value_or(flags.scale);
  const auto originals = collect_inputs(flags.originals);
  const auto components = open_upscaler(flags.report.run.model, flags.report.run);
  UpscalePipeline pipeline(components, flags.options);
  EvalOutput output(flags.report, "upscale", originals.size());
  const std::string& model = components->manifest().name;
  double seconds = 0;
  double all_seconds = 0;
  auto upscalers = model_free_upscalers();
  upscalers.push_back({"model", model_upscaler(pipeline, model, output.bar(), seconds)});
  QualityReport report(methods_of(upscalers));
  for (std::size_t i = 0; i < originals.size(); ++i) {
    check_interrupt();
    try {
      const UpscalingTask task = make_upscaling_task(read_pixels(originals[i].file), flags.scale);
      const auto qualities = measure_all(task, upscalers, border);
      report.add(short_name(originals, i), qualities);
      all_seconds += seconds;
      output.measured({{"input", originals[i].file.string()},
                       {"width", task.original.size(2)},
                       {"height", task.original.size(1)},
                       {"seconds", seconds},
                       {"methods", methods_json(upscalers, qualities)}});
    } catch (const std::exception& error) {
      if (ends_batch(error)) {
        throw;
      }
      output.failed(originals[i].file, error);
    }
  }
  const double mean_seconds = all_seconds / static_cast<double>(std::max<std::size_t>(report.images(), 1));
  return output.finish(report,
                       ", " + std::to_string(flags.scale) + "x, border " + std::to_string(border) + "; " + model +
                           " on " + to_string(components->placement()) + ", " + number_text(mean_seconds, 2) +
                           " s per image",
                       summary_of(flags, border, *components, mean_seconds));
}

}  // namespace

std::function<int()> add_eval_upscale(CLI::App& app) {
  auto flags = std::make_shared<EvalUpscaleFlags>();
  add_options(app, *flags);
  return [flags, &app] { return run_eval_upscale(app, *flags); };
}

}  // namespace fmboost::tool
