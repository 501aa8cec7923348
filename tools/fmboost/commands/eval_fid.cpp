#include <algorithm>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/image/encode.h"
#include "fmboost/io/sha256.h"

#include "commands/eval_modes.h"
#include "output/quality_report.h"
#include "output/read_ahead.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Images seen so far, of both sets.
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

// Before hours of work rather than after them.
void check_enough(std::size_t a, std::size_t b, const FeatureFunction& features, const FidOptions& options) {
  constexpr std::int64_t kSide = 64;
  const std::int64_t width = features(torch::zeros({1, 3, kSide, kSide}, torch::kUInt8)).size(1);
  check_image_counts(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b), width, options.few);
}

ImageSet gather(const std::vector<ImageSource>& sources, const FeatureFunction& features, const FidOptions& options,
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
    log_warning("fewer images than the " + std::to_string(width) +
                " features need for covariances of full rank: compare these distances only with others of as many "
                "images");
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
                      " an image)",
                  result.patch_fid ? number_text(*result.patch_fid, 4) : "-", a.crops().count(), b.crops().count());
  }
  return table;
}

}  // namespace

int run_fid(const EvalFlags& flags) {
  if (flags.inception.empty()) {
    throw UsageError(
        "--fid needs --inception FILE, the network whose features are compared: scripts/export_inception.py makes it");
  }
  FidOptions options = flags.fid_options;
  options.few = flags.allow_few ? FewImages::allow : FewImages::refuse;
  options.check();
  const auto sources_a = images_of_folder(flags.fid[0]);
  const auto sources_b = images_of_folder(flags.fid[1]);
  const Placement placement = resolve_placement(flags.run.device, "float32");
  const FeatureFunction features = load_feature_program(flags.inception, placement.device);
  check_enough(sources_a.size(), sources_b.size(), features, options);
  EvalOutput output(flags, "fid", sources_a.size() + sources_b.size());
  Progress progress{.done = 0, .total = static_cast<std::int64_t>(sources_a.size() + sources_b.size())};
  const ImageSet a = gather(sources_a, features, options, progress, output);
  const ImageSet b = gather(sources_b, features, options, progress, output);
  output.bar().clear();
  const FidResult result = compare_sets(a, b, options);
  warn_about_few(a, b);
  if (options.crops > 0 && !result.patch_fid) {
    log_info("no patch-FID: " + std::to_string(a.too_small() + b.too_small()) +
             " images are smaller than a crop of " + std::to_string(options.crop_size) +
             " pixels; --crop-size takes smaller ones");
  }
  const json summary{{"fid", result.fid},
                     {"patch_fid", result.patch_fid ? json(*result.patch_fid) : json()},
                     {"images", {a.whole().count(), b.whole().count()}},
                     {"crops", {a.crops().count(), b.crops().count()}},
                     {"features", a.whole().width()},
                     {"inception_sha256", sha256_file(flags.inception)},
                     {"placement", to_string(placement)}};
  return output.finish(markdown(a, b, result, options), summary);
}

}  // namespace fmboost::tool
