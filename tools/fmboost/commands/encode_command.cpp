#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/data/encode_images.h"

#include "cli/common_options.h"
#include "cli/prompts.h"
#include "commands/command.h"
#include "output/encode_progress.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct EncodeFlags {
  RunOptions run;
  EncodeImagesOptions options;
  std::string images;
  std::string output;
  std::string crop = enum_name(ImageCropOptions{}.place);
  std::string downsampling = enum_name(ImageCropOptions{}.downsampling);
  std::string coupling = enum_name(Upsampling::pixel);
  std::string store = dtype_name(EncodeImagesOptions{}.stored);
  std::string shard = "0/1";
};

void add_crop_options(CLI::App& app, EncodeFlags& flags) {
  ImageCropOptions& crop = flags.options.crop;
  app.add_option("--low", crop.low, "Side of the small squares in pixels")->capture_default_str();
  app.add_option("--high", crop.high,
                 "Side of the large ones, a whole multiple of --low; smaller images are left out")
      ->capture_default_str();
  app.add_option("--crop", flags.crop, "random or center: where squares are cut out")->capture_default_str();
  app.add_option("--crops", crop.crops, "Squares an image")->capture_default_str();
  app.add_flag("--flip", crop.flip,
               "Mirror half of the squares, in pixels: the latent of a mirrored image is not its mirrored latent, so "
               "this cannot be made up for later");
  app.add_flag("--fit", crop.fit, "Shrink images first, so that their shorter side is --high");
  app.add_option("--downsample", flags.downsampling,
                 "How a large square becomes a small one: area (mean), bilinear or bicubic (both with antialias)")
      ->capture_default_str();
  app.add_option("-s,--seed", crop.seed, "Of the squares' places and mirroring")->capture_default_str();
}

void add_options(CLI::App& app, EncodeFlags& flags) {
  EncodeImagesOptions& options = flags.options;
  app.add_option("images", flags.images, "Folder of images; folders in it are searched too")->required();
  app.add_option("-o,--output", flags.output,
                 "Folder for the shards. A run that was cut short goes on where it stopped")
      ->type_name("DIR")
      ->required();
  add_crop_options(app, flags);
  app.add_option("--upsampling", flags.coupling,
                 "pixel: upscale the small square and encode that; latent, latent-nearest or noise-upsampling: encode it as it "
                 "is, training upscales the latent")
      ->capture_default_str();
  app.add_option("--store", flags.store, "float16 or float32, of the latents in the shards")->capture_default_str();
  app.add_flag("--keep-images", options.keep_images, "Keep the large squares as JPEG beside the latents");
  app.add_option("--quality", options.jpeg_quality, "Of the JPEGs, 1 to 100")->capture_default_str();
  app.add_option("--samples-per-shard", options.samples_per_shard, "About how many; an image's squares stay together")
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Squares that go through the autoencoder at once")
      ->capture_default_str();
  app.add_option("--num-workers", options.num_workers, "Threads that read, decode and cut images")->capture_default_str();
  app.add_option("--shard", flags.shard, "I/N: make every N-th shard from I on, for N machines that share the folder")
      ->capture_default_str();
  flags.run.dtype = "float32";  // latents are made once and used for long
  add_run_options(app, flags.run);
  app.get_option("--json")->description("One JSON line a shard on stdout instead of its path");
}

void finish_options(EncodeFlags& flags) {
  EncodeImagesOptions& options = flags.options;
  options.crop.place = parse_enum<CropPlace>(flags.crop);
  options.crop.downsampling = parse_enum<Downsampling>(flags.downsampling);
  options.stored = parse_dtype(flags.store);
  options.upsampling = parse_enum<Upsampling>(flags.coupling);
  const Shard shard = parse_shard(flags.shard);
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
    log_error("left out: " + failure.reason);
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
           (kept > 0 ? ", " + std::to_string(kept) + " of which were there already" : ""));
  if (progress.failed == 0) {
    return 0;
  }
  log_error(std::to_string(progress.failed) + " of " + std::to_string(progress.images) + " images were left out");
  return static_cast<int>(progress.images == 1 ? ExitCode::runtime : ExitCode::items);
}

int run_encode(EncodeFlags flags) {
  apply(flags.run);
  finish_options(flags);
  if (!fs::is_directory(flags.images)) {
    throw UsageError("'" + flags.images + "' is not a folder of images");
  }
  const auto components = open_upscaler(flags.run.model, flags.run);
  std::int64_t kept = 0;
  EncodeProgressLine line(flags.run.quiet);
  const EncodeProgress progress =
      encode_images(flags.images, flags.output, components->bundle(), components->placement(), flags.options,
                    observe(flags, line, kept));
  line.clear();
  return report_end(progress, kept);
}

}  // namespace

std::function<int()> add_encode(CLI::App& app) {
  auto flags = std::make_shared<EncodeFlags>();
  add_options(app, *flags);
  return [flags] { return run_encode(*flags); };
}

}  // namespace fmboost::tool
