#include <chrono>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/eval/pairs.h"
#include "fmboost/eval/upscaling.h"
#include "fmboost/image/metrics.h"
#include "fmboost/pipeline/back_projection.h"
#include "fmboost/pipeline/batch_errors.h"

#include "commands/eval_modes.h"
#include "output/quality_report.h"
#include "output/read_ahead.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFootnote =
    "\nPSNR in dB and MSE of 255; ± is half of the mean's 95 % confidence interval (Student's t over the images).\n";

std::string count_text(std::size_t images) {
  return std::to_string(images) + (images == 1 ? " image" : " images");
}

std::vector<fs::path> files_of(const std::vector<ImageSource>& sources) {
  std::vector<fs::path> files;
  for (const auto& source : sources) {
    files.push_back(source.file);
  }
  return files;
}

std::vector<ImagePair> collect_pairs(const std::vector<std::string>& sides) {
  if (fs::is_regular_file(sides[0]) && fs::is_regular_file(sides[1])) {
    return {{.name = fs::path(sides[0]).stem().string(), .image = sides[0], .reference = sides[1]}};
  }
  return pair_by_name(files_of(images_of_folder(sides[0])), sides[0], files_of(images_of_folder(sides[1])),
                      sides[1]);
}

int finish_quality(EvalOutput& output, const QualityReport& report, const std::string& title, json summary) {
  summary["images"] = report.images();
  if (report.images() == 0) {
    return output.finish("", std::move(summary));
  }
  summary["means"] = report.means();
  return output.finish(
      count_text(report.images()) + title + "\n\n" + report.image_table() + "\n" + report.mean_table() + kFootnote,
      std::move(summary));
}

/// A way to upscale and its name in JSON, which does not change with the model.
struct NamedUpscaler {
  std::string key;
  Upscaler upscaler;
};

// Makes the model look like any other way to upscale; `seconds` gets the time that it took.
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

// An image's name, with its suffix where another one has the same name without.
std::string short_name(const std::vector<ImageSource>& sources, std::size_t index) {
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

}  // namespace

int run_pairs(const EvalFlags& flags) {
  const std::int64_t border = flags.border.value_or(0);
  const auto pairs = collect_pairs(flags.pairs);
  EvalOutput output(flags, "pairs", pairs.size());
  QualityReport report({Method{}});
  ReadAhead<std::pair<torch::Tensor, torch::Tensor>> pixels(pairs.size(), [&](std::size_t i) {
    return std::pair(read_pixels(pairs[i].image), read_pixels(pairs[i].reference));
  });
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    check_interrupt();
    try {
      const auto [image, reference] = pixels.next();
      const Quality quality = measure_quality(image, reference, border);
      report.add(pairs[i].name, {quality});
      json fields = to_json(quality);
      fields["input"] = pairs[i].image.string();
      fields["reference"] = pairs[i].reference.string();
      output.bar().callback()("compare", static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(pairs.size()));
      output.measured(std::move(fields));
    } catch (const std::exception& error) {
      output.failed(pairs[i].image, error);
    }
  }
  return finish_quality(output, report, border > 0 ? ", border " + std::to_string(border) : "", {{"border", border}});
}

int run_upscaling(const EvalFlags& flags) {
  const std::int64_t border = flags.border.value_or(flags.scale);
  const auto sources = collect_sources(flags.upscale);
  const auto components = open_upscaler(flags.run.model, flags.run);
  UpscalePipeline pipeline(components, flags.options);
  EvalOutput output(flags, "upscale", sources.size());
  const std::string& model = components->manifest().name;
  double seconds = 0;
  double all_seconds = 0;
  auto upscalers = model_free_upscalers();
  upscalers.push_back({"model", model_upscaler(pipeline, model, output.bar(), seconds)});
  QualityReport report(methods_of(upscalers));
  for (std::size_t i = 0; i < sources.size(); ++i) {
    check_interrupt();
    try {
      const UpscalingTask task = make_upscaling_task(read_pixels(sources[i].file), flags.scale);
      const auto qualities = measure_all(task, upscalers, border);
      report.add(short_name(sources, i), qualities);
      all_seconds += seconds;
      output.measured({{"input", sources[i].file.string()},
                       {"width", task.original.size(2)},
                       {"height", task.original.size(1)},
                       {"seconds", seconds},
                       {"methods", methods_json(upscalers, qualities)}});
    } catch (const std::exception& error) {
      if (ends_batch(error)) {
        throw;
      }
      output.failed(sources[i].file, error);
    }
  }
  const std::string place = to_string(components->placement());
  const double mean_seconds = all_seconds / static_cast<double>(std::max<std::size_t>(report.images(), 1));
  const json summary{{"scale", flags.scale}, {"border", border},
                     {"model", model},       {"model_hash", components->bundle().hash()},
                     {"placement", place},   {"seconds_a_image", mean_seconds}};
  return finish_quality(output, report,
                        ", " + std::to_string(flags.scale) + "x, border " + std::to_string(border) + "; " + model +
                            " on " + place + ", " + number_text(mean_seconds, 2) + " s an image",
                        summary);
}

}  // namespace fmboost::tool
