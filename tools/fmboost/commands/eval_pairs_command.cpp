#include <memory>
#include <optional>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/eval/pairs.h"
#include "fmboost/image/metrics.h"

#include "batch/read_ahead.h"
#include "cli/option_groups.h"
#include "commands/command.h"
#include "output/eval_output.h"
#include "output/quality_report.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct PairsFlags {
  EvalReportOptions report;
  std::string images;
  std::string references;
  std::int64_t border = 0;
};

std::vector<fs::path> files_of(const std::vector<InputImage>& images) {
  std::vector<fs::path> files;
  for (const auto& image : images) {
    files.push_back(image.file);
  }
  return files;
}

std::vector<ImagePair> collect_pairs(const std::string& images, const std::string& references) {
  if (fs::is_regular_file(images) && fs::is_regular_file(references)) {
    return {{.name = fs::path(images).stem().string(), .image = images, .reference = references}};
  }
  return pair_by_name(files_of(images_of_folder(images)), images, files_of(images_of_folder(references)), references);
}

json measure_pair(const ImagePair& pair, const torch::Tensor& image, const torch::Tensor& reference,
                  std::int64_t border, QualityReport& report) {
  const Quality quality = measure_quality(image, reference, border);
  report.add(pair.name, {quality});
  json fields = to_json(quality);
  fields["input"] = pair.image.string();
  fields["reference"] = pair.reference.string();
  return fields;
}

int run_pairs(const PairsFlags& flags) {
  configure_verbosity(flags.report.run);
  check_report(flags.report);
  const auto pairs = collect_pairs(flags.images, flags.references);
  EvalOutput output(flags.report, "pairs", pairs.size());
  QualityReport report({Method{}});
  ReadAhead<std::pair<torch::Tensor, torch::Tensor>> pixels(pairs.size(), [&](std::size_t i) {
    return std::pair(read_pixels(pairs[i].image), read_pixels(pairs[i].reference));
  });
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    check_interrupt();
    try {
      const auto [image, reference] = pixels.next();
      json fields = measure_pair(pairs[i], image, reference, flags.border, report);
      output.bar().callback()("compare", static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(pairs.size()));
      output.measured(std::move(fields));
    } catch (const std::exception& error) {
      output.failed(pairs[i].image, error);
    }
  }
  return output.finish(report, flags.border > 0 ? ", border " + std::to_string(flags.border) : "",
                       {{"border", flags.border}});
}

}  // namespace

std::function<int()> add_eval_pairs(CLI::App& app) {
  auto flags = std::make_shared<PairsFlags>();
  app.add_option("images", flags->images, "Folder of images, or one image")->required();
  app.add_option("references", flags->references,
                 "Folder with a reference for each image, of the same name (the suffix may differ), or one image")
      ->required();
  app.add_option("--border", flags->border, "Pixels to ignore along each edge")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str()
      ->group(kMeasurementGroup);
  add_report_options(app, flags->report);
  add_verbosity_options(app, flags->report.run);
  return [flags] { return run_pairs(*flags); };
}

}  // namespace fmboost::tool
