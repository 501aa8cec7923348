#include <algorithm>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/eval/fid.h"
#include "fmboost/image/encode.h"
#include "fmboost/io/sha256.h"

#include "batch/read_ahead.h"
#include "cli/option_groups.h"
#include "commands/command.h"
#include "output/eval_output.h"
#include "output/quality_report.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct FidFlags {
  EvalReportOptions report;
  std::string images_a;
  std::string images_b;
  std::string inception;
  FidOptions options;
  bool allow_few = false;
};

void add_options(CLI::App& app, FidFlags& flags) {
  app.add_option("images_a", flags.images_a, "Folder of images")->required();
  app.add_option("images_b", flags.images_b, "Folder of images to compare them with")->required();
  app.add_option("--inception", flags.inception,
                 "Feature network, as TorchScript made by scripts/export_inception.py (needed)")
      ->type_name("FILE")
      ->group(kMeasurementGroup);
  app.add_option("--crops", flags.options.crops, "Random crops per image for patch-FID; 0: no patch-FID")
      ->capture_default_str()
      ->group(kMeasurementGroup);
  app.add_option("--crop-size", flags.options.crop_size, "Side of these crops in pixels")
      ->capture_default_str()
      ->group(kMeasurementGroup);
  app.add_option("-s,--seed", flags.options.seed, "Seed of the crops' positions")
      ->capture_default_str()
      ->group(kMeasurementGroup);
  app.add_flag("--allow-few", flags.allow_few,
               "Compute distances even if there are too few images for covariances of full rank")
      ->group(kMeasurementGroup);
  app.add_option("--batch-size", flags.options.batch_size, "Images that go through the network at once")
      ->capture_default_str()
      ->group(kModelGroup);
  for (const auto& setting : run_settings()) {
    if (setting.text.name != "dtype") {  // the features are computed in float32
      add_setting(app, setting.text, setting.type);
    }
  }
  add_report_options(app, flags.report);
  add_verbosity_options(app, flags.report.run);
}

/// Images processed so far, of both sets.
struct Progress {
  std::int64_t done = 0;
  std::int64_t total = 0;
};

void report_progress(Progress& progress, EvalOutput& output) {
  constexpr std::int64_t kLineEvery = 1000;
  ++progress.done;
  output.bar().callback()("features", progress.done, progress.total);
  if (progress.done % kLineEvery == 0 && progress.done < progress.total) {
    output.bar().clear();
    log_info(std::to_string(progress.done) + " of " + std::to_string(progress.total) + " images");
  }
}

// Fails before hours of work rather than after them.
void check_enough(std::size_t a, std::size_t b, const FeatureFunction& features, const FidOptions& options) {
  constexpr std::int64_t kSide = 64;
  const std::int64_t width = features(torch::zeros({1, 3, kSide, kSide}, torch::kUInt8)).size(1);
  check_image_counts(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b), width, options.few);
}

ImageSet gather(const std::vector<InputImage>& sources, const FeatureFunction& features, const FidOptions& options,
                Progress& progress, EvalOutput& output) {
  ImageSet set(features, options);
  ReadAhead<torch::Tensor> images(sources.size(), [&](std::size_t i) {
    return to_uint8(read_pixels(sources[i].file)).permute({2, 0, 1}).contiguous();
  });
  for (const auto& source : sources) {
    check_interrupt();
    torch::Tensor image;
    try {
      image = images.next();
    } catch (const std::exception& error) {
      output.failed(source.file, error);
    }
    if (image.defined()) {
      set.add(image, source.name);
      output.bar().image_done();
    }
    report_progress(progress, output);
  }
  set.finish();
  return set;
}

void warn_about_few(const ImageSet& a, const ImageSet& b) {
  const std::int64_t width = a.whole().width();
  if (std::min(a.whole().count(), b.whole().count()) <= width) {
    log_warning("too few images for covariances of full rank with " + std::to_string(width) +
                " features: compare these distances only with distances of as many images");
  }
}

std::string table_row(const std::string& name, const std::string& value, std::int64_t a, std::int64_t b) {
  return "| " + name + " | " + value + " | " + std::to_string(a) + " | " + std::to_string(b) + " |\n";
}

std::string markdown(const ImageSet& a, const ImageSet& b, const FidResult& result, const FidOptions& options) {
  std::string table = "| Distance | Value | Images A | Images B |\n| --- | ---: | ---: | ---: |\n";
  table += table_row("FID", number_text(result.fid, 4), a.whole().count(), b.whole().count());
  if (options.crops > 0) {
    table +=
        table_row("patch-FID (" + std::to_string(options.crops) + " crops of " + std::to_string(options.crop_size) +
                      " per image)",
                  result.patch_fid ? number_text(*result.patch_fid, 4) : "-", a.crops().count(), b.crops().count());
  }
  return table;
}

FidOptions checked_options(const FidFlags& flags) {
  if (flags.inception.empty()) {
    throw UsageError(
        "`inception` is missing: the file of the feature network, which scripts/export_inception.py makes");
  }
  FidOptions options = flags.options;
  options.few = flags.allow_few ? FewImages::allow : FewImages::refuse;
  options.check();
  return options;
}

json summary_of(const ImageSet& a, const ImageSet& b, const FidResult& result, const std::string& inception,
                const Placement& placement) {
  return {{"fid", result.fid},
          {"patch_fid", result.patch_fid ? json(*result.patch_fid) : json()},
          {"images", {a.whole().count(), b.whole().count()}},
          {"crops", {a.crops().count(), b.crops().count()}},
          {"features", a.whole().width()},
          {"inception_sha256", sha256_file(inception)},
          {"placement", to_string(placement)}};
}

int run_fid(const CLI::App& app, FidFlags flags) {
  configure_runtime(app, flags.report.run);
  check_report(flags.report);
  const FidOptions options = checked_options(flags);
  const auto images_a = images_of_folder(flags.images_a);
  const auto images_b = images_of_folder(flags.images_b);
  const Placement placement = resolve_placement(flags.report.run.device, "float32");
  const FeatureFunction features = load_feature_program(flags.inception, placement.device);
  check_enough(images_a.size(), images_b.size(), features, options);
  EvalOutput output(flags.report, "fid", images_a.size() + images_b.size());
  Progress progress{.done = 0, .total = static_cast<std::int64_t>(images_a.size() + images_b.size())};
  const ImageSet a = gather(images_a, features, options, progress, output);
  const ImageSet b = gather(images_b, features, options, progress, output);
  output.bar().clear();
  const FidResult result = compare_sets(a, b, options);
  warn_about_few(a, b);
  if (options.crops > 0 && !result.patch_fid) {
    log_info("no patch-FID: " + std::to_string(a.too_small() + b.too_small()) + " images are smaller than a crop of " +
             std::to_string(options.crop_size) + " pixels; use a smaller `crop_size`");
  }
  return output.finish(markdown(a, b, result, options), summary_of(a, b, result, flags.inception, placement));
}

}  // namespace

std::function<int()> add_eval_fid(CLI::App& app) {
  auto flags = std::make_shared<FidFlags>();
  add_options(app, *flags);
  return [flags, &app] { return run_fid(app, *flags); };
}

}  // namespace fmboost::tool
