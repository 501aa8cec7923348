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
  bool niqe = false;
  std::vector<std::string> against;
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
  app.add_flag("--niqe", flags.niqe,
               "Also measure NIQE, the distance from the statistics of natural photographs (lower is more natural)")
      ->group(kMeasurementGroup);
  app.add_option("--against", flags.against, "Measure another upscaler too: a bundle or a weight file (repeatable)")
      ->type_name("MODEL")
      ->allow_extra_args(false)
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

// A model with its pipeline, and the time that it takes.
struct MeasuredModel {
  std::shared_ptr<ModelComponents> components;
  UpscalePipeline pipeline;
  double seconds = 0;  ///< of all images

  MeasuredModel(const std::string& model, const EvalUpscaleFlags& flags)
      : components(open_upscaler(model, flags.report.run)), pipeline(components, flags.options) {}

  const std::string& name() const { return components->manifest().name; }
};

// The model as one more upscaler, which adds the time that it takes to the model's.
Upscaler model_upscaler(MeasuredModel& model, ProgressBar& bar) {
  return {model.name(), [&model, &bar](const torch::Tensor& low, std::int64_t, std::int64_t) {
            const auto start = std::chrono::steady_clock::now();
            Image source;
            source.pixels = low.squeeze(0);
            const UpscaledImage upscaled = model.pipeline.run(source, {.progress = bar.callback(), .intermediate = {}});
            model.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            return upscaled.image.pixels.unsqueeze(0);
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
                                 const MeasureOptions& options) {
  std::vector<Quality> qualities;
  for (const auto& named : upscalers) {
    qualities.push_back(named.upscaler.upscale ? measure_upscaler(task, named.upscaler, options)
                                               : measure_original(task, options));
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

/// One run of the command.
class EvalUpscale {
 public:
  explicit EvalUpscale(EvalUpscaleFlags flags)
      : flags_(std::move(flags)),
        originals_(collect_inputs(flags_.originals)),
        model_(flags_.report.run.model, flags_),
        output_(flags_.report, "upscale", originals_.size()) {
    measuring_.border = flags_.border.value_or(flags_.scale);
    if (flags_.niqe) {
      measuring_.niqe = default_niqe_model();
    }
    for (const auto& other : flags_.against) {
      others_.push_back(std::make_unique<MeasuredModel>(other, flags_));
    }
    collect_upscalers();
  }

  int run() {
    QualityReport report(methods_of(upscalers_));
    for (std::size_t i = 0; i < originals_.size(); ++i) {
      check_interrupt();
      try {
        measure(i, report);
      } catch (const std::exception& error) {
        if (ends_batch(error)) {
          throw;
        }
        output_.failed(originals_[i].file, error);
      }
    }
    return output_.finish(report, description(report), summary(report));
  }

 private:
  // The gain of the last row is measured over the best result without a model.
  void collect_upscalers() {
    if (flags_.niqe) {
      upscalers_.push_back({"original", {"original", nullptr}});
    }
    for (std::size_t i = 0; i < others_.size(); ++i) {
      upscalers_.push_back({"against_" + std::to_string(i), model_upscaler(*others_[i], output_.bar())});
    }
    for (auto& method : model_free_upscalers()) {
      upscalers_.push_back(std::move(method));
    }
    upscalers_.push_back({"model", model_upscaler(model_, output_.bar())});
  }

  void measure(std::size_t i, QualityReport& report) {
    const UpscalingTask task = make_upscaling_task(read_pixels(originals_[i].file), flags_.scale);
    const double before = model_.seconds;
    const auto qualities = measure_all(task, upscalers_, measuring_);
    report.add(short_name(originals_, i), qualities);
    output_.measured({{"input", originals_[i].file.string()},
                      {"width", task.original.size(2)},
                      {"height", task.original.size(1)},
                      {"seconds", model_.seconds - before},
                      {"methods", methods_json(upscalers_, qualities)}});
  }

  double seconds_per_image(const MeasuredModel& model, const QualityReport& report) const {
    return model.seconds / static_cast<double>(std::max<std::size_t>(report.images(), 1));
  }

  std::string description(const QualityReport& report) const {
    std::string text = ", " + std::to_string(flags_.scale) + "x, border " + std::to_string(measuring_.border);
    const auto add = [&](const MeasuredModel& model) {
      text += "; " + model.name() + " on " + to_string(model.components->placement()) + ", " +
              number_text(seconds_per_image(model, report), 2) + " s per image";
    };
    for (const auto& other : others_) {
      add(*other);
    }
    add(model_);
    return text;
  }

  json summary(const QualityReport& report) const {
    json models = json::array();
    for (const auto& other : others_) {
      models.push_back({{"model", other->name()}, {"seconds_per_image", seconds_per_image(*other, report)}});
    }
    return {{"scale", flags_.scale},
            {"border", measuring_.border},
            {"model", model_.name()},
            {"model_hash", model_.components->bundle().hash()},
            {"placement", to_string(model_.components->placement())},
            {"seconds_per_image", seconds_per_image(model_, report)},
            {"against", models}};
  }

  EvalUpscaleFlags flags_;
  std::vector<InputImage> originals_;
  MeasureOptions measuring_;
  MeasuredModel model_;
  std::vector<std::unique_ptr<MeasuredModel>> others_;
  EvalOutput output_;
  std::vector<NamedUpscaler> upscalers_;
};

int run_eval_upscale(const CLI::App& app, EvalUpscaleFlags flags) {
  configure_runtime(app, flags.report.run);
  resolve(app, flags);
  return EvalUpscale(std::move(flags)).run();
}

}  // namespace

std::function<int()> add_eval_upscale(CLI::App& app) {
  auto flags = std::make_shared<EvalUpscaleFlags>();
  add_options(app, *flags);
  return [flags, &app] { return run_eval_upscale(app, *flags); };
}

}  // namespace fmboost::tool
