#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/data/encode_images.h"

#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "cli/shard_option.h"
#include "commands/command.h"
#include "inputs/prompts.h"
#include "output/encode_progress.h"
#include "settings/degradation_options.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct EncodeFlags {
  RunOptions run;
  EncodeImagesOptions options;
  std::string images;
  std::string output;
  std::string crop = enum_name(ImageCropOptions{}.place);
  std::string downsample = enum_name(ImageCropOptions{}.downsampling);
  std::string upsampling = enum_name(Upsampling::pixel);
  std::string store = dtype_name(EncodeImagesOptions{}.stored);
  std::string shard = "0/1";
};

constexpr const char* kCropsGroup = "Crops";
constexpr const char* kLatentsGroup = "Latents";

void add_crop_options(CLI::App& app, EncodeFlags& flags) {
  ImageCropOptions& crop = flags.options.crop;
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    app.add_option(name, value, help)->capture_default_str()->group(kCropsGroup);
  };
  add("--high", crop.high, "Side of the large squares in pixels, a multiple of --low; smaller images are skipped");
  add("--low", crop.low, "Side of the small squares in pixels");
  add("--crop", flags.crop, "Where squares are cut: random or center");
  add("--crops", crop.crops, "Squares per image");
  app.add_flag("--flip", crop.flip,
               "Mirror half of the squares before encoding (latents cannot be mirrored later: the latent of a mirrored "
               "image is not its mirrored latent)")
      ->group(kCropsGroup);
  app.add_flag("--fit", crop.fit, "Downsample images first, so that their shorter side is --high")->group(kCropsGroup);
  add("--downsample", flags.downsample,
      "How small squares are made: area (mean), bilinear or bicubic (both antialiased)");
  add_degradation_options(app, crop.degradation, kCropsGroup);
  add("-s,--seed", crop.seed, "Seed of the squares' positions, of mirroring and of degradations");
}

void add_latent_options(CLI::App& app, EncodeFlags& flags) {
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    app.add_option(name, value, help)->capture_default_str()->group(kLatentsGroup);
  };
  add("--upsampling", flags.upsampling,
      "pixel: upsample the small square, then encode it; latent, latent-nearest or noise-upsampling: encode it "
      "unchanged, and let training upsample the latent");
  add("--store", flags.store, "Precision of the stored latents: float16 or float32");
  add("--batch-size", flags.options.batch_size, "Squares that go through the autoencoder at once");
  add("--num-workers", flags.options.num_workers, "Threads that read, decode and crop images");
}

void add_shard_options(CLI::App& app, EncodeFlags& flags) {
  EncodeImagesOptions& options = flags.options;
  app.add_option("-o,--output", flags.output, "Folder for the shards; an interrupted run continues where it stopped")
      ->type_name("DIR")
      ->required()
      ->group(kOutputGroup);
  app.add_option("--samples-per-shard", options.samples_per_shard,
                 "Approximate number of samples per shard; the squares of an image stay together")
      ->capture_default_str()
      ->group(kOutputGroup);
  app.add_flag("--keep-images", options.keep_images, "Store the large squares as JPEG files beside the latents")
      ->group(kOutputGroup);
  app.add_option("--quality", options.jpeg_quality, "Quality of these JPEG files, from 1 to 100")
      ->capture_default_str()
      ->group(kOutputGroup);
  app.add_option("--shard", flags.shard,
                 "I/N: make only every N-th shard, starting with I, to divide the work among N machines that share the "
                 "folder")
      ->capture_default_str()
      ->group(kOutputGroup);
}

void add_options(CLI::App& app, EncodeFlags& flags) {
  app.add_option("images", flags.images, "Folder of images, including its subfolders")->required();
  app.add_option("--targets", flags.options.targets,
                 "Folder of images with the same names and sizes, from which the large squares are cut instead, for "
                 "example results of another upscaler to learn from")
      ->type_name("DIR")
      ->group(kCropsGroup);
  add_shard_options(app, flags);
  add_crop_options(app, flags);
  add_latent_options(app, flags);
  flags.run.dtype = "float32";  // latents are computed once and used for long
  add_run_options(app, flags.run);
  app.get_option("--dtype")->default_str(flags.run.dtype);
  app.get_option("--json")->description("Print one JSON line per shard on stdout instead of its path");
}

void resolve(EncodeFlags& flags) {
  EncodeImagesOptions& options = flags.options;
  options.crop.place = parse_enum<CropPlace>(flags.crop);
  options.crop.downsampling = parse_enum<Downsampling>(flags.downsample);
  options.stored = parse_dtype(flags.store);
  options.upsampling = parse_enum<Upsampling>(flags.upsampling);
  const Shard shard = resolve_shard(flags.shard);
  options.slice = shard.index;
  options.slices = shard.count;
  options.check();
}

void print_shard(const EncodeFlags& flags, const ShardRecord& record) {
  if (record.samples == 0) {
    return;
  }
  const std::string file = (fs::path(flags.output) / record.file).string();
  if (flags.run.json) {
    const nlohmann::json line = {
        {"output", file}, {"samples", record.samples}, {"failed", record.failures.size()}, {"error", nullptr}};
    std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  } else {
    std::cout << file << std::endl;
  }
}

EncodeObserver observe(const EncodeFlags& flags, EncodeProgressLine& line, std::int64_t& kept) {
  EncodeObserver observer;
  observer.progress = [&line](const EncodeProgress& progress) { line.show(progress); };
  observer.failed = [&line](const FailedImage& failure) {
    line.clear();
    log_error("skipped: " + failure.reason);
  };
  observer.shard_done = [&flags, &line, &kept](const ShardRecord& record, bool was_there) {
    line.clear();
    if (was_there) {
      ++kept;
    } else {
      print_shard(flags, record);
    }
  };
  return observer;
}

int report_end(const EncodeProgress& progress, std::int64_t kept) {
  log_info(std::to_string(progress.samples) + " samples of " + std::to_string(progress.images - progress.failed) +
           " images in " + std::to_string(progress.shards) + " shards" +
           (kept > 0 ? ", " + std::to_string(kept) + " of which already existed" : ""));
  if (progress.failed == 0) {
    return 0;
  }
  log_error(std::to_string(progress.failed) + " of " + std::to_string(progress.images) + " images were skipped");
  return static_cast<int>(progress.images == 1 ? ExitCode::runtime : ExitCode::items);
}

int run_encode(const CLI::App& app, EncodeFlags flags) {
  configure_runtime(app, flags.run);
  resolve(flags);
  if (!fs::is_directory(flags.images)) {
    throw UsageError("'" + flags.images + "' is not a folder of images");
  }
  const auto components = open_upscaler(flags.run.model, flags.run);
  std::int64_t kept = 0;
  EncodeProgressLine line(flags.run.quiet);
  const EncodeProgress progress = encode_images(flags.images, flags.output, components->bundle(),
                                                components->placement(), flags.options, observe(flags, line, kept));
  line.clear();
  return report_end(progress, kept);
}

}  // namespace

std::function<int()> add_encode(CLI::App& app) {
  auto flags = std::make_shared<EncodeFlags>();
  add_options(app, *flags);
  return [flags, &app] { return run_encode(app, *flags); };
}

}  // namespace fmboost::tool
