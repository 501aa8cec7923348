#include "settings/generate_flags.h"

#include "fmboost/core/error.h"

#include "cli/option_groups.h"
#include "cli/shard_option.h"
#include "settings/generate_settings.h"

namespace fmboost::tool {
namespace {

void add_prompt_sources(CLI::App& app, GenerateFlags& flags) {
  auto* prompt = app.get_option("--prompt");
  auto* prompts = app.add_option("--prompts", flags.prompts_file,
                                 "File (or - for stdin) with one prompt per line, or one JSON object of settings per "
                                 "line")
                      ->type_name("FILE")
                      ->excludes(prompt)
                      ->group(kPromptGroup);
  auto* from = app.add_option("--from", flags.from,
                              "Generate an image again from the metadata in it; other options override its settings")
                   ->type_name("IMAGE")
                   ->group(kPromptGroup);
  app.add_flag("--example", flags.example, "Print prompts that suit the model, one per line, and exit")
      ->configurable(false)
      ->excludes(prompt)
      ->excludes(prompts)
      ->excludes(from)
      ->group(kPromptGroup);
}

void add_size_and_count(CLI::App& app, GenerateFlags& flags) {
  app.add_option("-W,--width", flags.width, "Final width in pixels")->group(kSizeGroup);
  app.add_option("-H,--height", flags.height, "Final height in pixels")->group(kSizeGroup);
  app.add_option("-b,--count", flags.count, "Images per prompt, with consecutive seeds")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->group(kSamplingGroup);
  app.add_option("--batch-size", flags.batch_size,
                 "Images denoised together; the bytes of an image are reproducible only with 1")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->group(kSamplingGroup);
}

void add_output_extras(CLI::App& app, GenerateFlags& flags) {
  app.add_option("--save-intermediates", flags.intermediates_folder,
                 "Folder for all latents and the low-resolution image")
      ->type_name("DIR")
      ->group(kOutputGroup);
  add_shard_option(app, flags.shard);
}

void read_width_and_height(GenerateFlags& flags, bool size_given) {
  if (size_given && (flags.width || flags.height)) {
    throw UsageError("use --size or -W and -H, not both");
  }
  if (flags.width.has_value() != flags.height.has_value()) {
    throw UsageError("-W and -H must be used together; for a square, use --size N");
  }
  if (flags.width) {
    flags.request.size = Size{*flags.width, *flags.height};
    check_size(*flags.request.size, "an image");
  }
}

void require_prompt(const CLI::App& app, const GenerateFlags& flags) {
  if (app.get_option("--prompt")->count() == 0 && flags.prompts_file.empty() && flags.from.empty()) {
    throw UsageError(
        "no prompt given: use -p TEXT (-p \"\" generates unconditionally) or --prompts FILE; --example lists prompts "
        "that suit the model");
  }
}

}  // namespace

void add_generate_options(CLI::App& app, GenerateFlags& flags) {
  add_settings(app, request_settings());
  add_prompt_sources(app, flags);
  add_size_and_count(app, flags);
  add_settings(app, tile_settings());
  app.add_option("--upscaler", flags.upscaler, "Another bundle or weight file that does the upscaling")
      ->type_name("BUNDLE")
      ->group(kUpscalingGroup);
  add_output_options(
      app, flags.output,
      "File (.png, .jpg, .webp, .tif), folder/, pattern with %d {index} {seed} {prompt}, or - for stdout "
      "(default: fmboost_<seed>.png)");
  add_output_extras(app, flags);
  add_journal_options(app, flags.journal);
  add_run_options(app, flags.run);
}

void apply_metadata(const GenerationMetadata& metadata, GenerateFlags& flags) {
  flags.request = metadata.request;
  flags.tiles = metadata.tiles;
  flags.run.device = metadata.run.device;
  flags.run.dtype = metadata.run.dtype;
  flags.run.threads = metadata.run.threads;
  flags.output.quality = metadata.output.quality;
}

void resolve(const CLI::App& app, GenerateFlags& flags) {
  require_prompt(app, flags);
  read_given(app, request_settings(), flags.request);
  read_upscaling_settings(app, flags.request.flow, flags.tiles);
  read_given(app, quality_settings(), flags.output);
  read_given(app, lossless_settings(), flags.output);
  read_width_and_height(flags, app.get_option("--size")->count() > 0);
}

}  // namespace fmboost::tool
