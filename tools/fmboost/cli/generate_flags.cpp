#include "cli/generate_flags.h"

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/random.h"
#include "fmboost/diffusion/sampler.h"

namespace fmboost::tool {
namespace {

std::string joined_samplers() {
  std::string text;
  for (const auto& name : sampler_names()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

void add_generate_options(CLI::App& app, GenerateFlags& flags) {
  auto* prompt = app.add_option("-p,--prompt", flags.request.prompt, "What to draw; empty: whatever comes");
  app.add_option("-n,--negative-prompt", flags.request.negative_prompt, "What to stay away from, where guidance is on");
  app.add_option(
         "--long-prompt", flags.long_prompt,
         "What becomes of prompts that are longer than the text encoder reads: truncate, or chunk: they are read "
         "in pieces, for native models")
      ->default_str(enum_name(GenerateRequest{}.long_prompt));
  app.add_option(
         "--clip-skip", flags.request.clip_skip,
         "Layer of CLIP's text encoder, from 1, the last one, 2, the one before it, ... (default: the bundle's)")
      ->type_name("N");
  auto* prompts =
      app.add_option("--prompts", flags.prompts_file,
                     "A file (or - for stdin) with a prompt a line, or JSON lines with settings of their own")
          ->excludes(prompt);
  auto* from = app.add_option("--from", flags.from,
                              "Make an image again from the data in it; other options change what they name")
                   ->type_name("IMAGE");
  app.add_flag("--example", flags.example, "Draw nothing, but print prompts that suit the model, one a line")
      ->configurable(false)
      ->excludes(prompt)
      ->excludes(prompts)
      ->excludes(from);
  app.add_option("-s,--seed", flags.seed, "Negative: a random one, which is reported")
      ->default_str(std::to_string(GenerateRequest{}.seed));
  app.add_option("-b,--count", flags.count, "Images of each prompt, with seeds that count up")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("-W,--width", flags.width, "Final width in pixels");
  app.add_option("-H,--height", flags.height, "Final height in pixels");
  app.add_option("--size", flags.size,
                 "Final size: N or WxH (default: " + std::to_string(kDefaultSide) +
                     " where the bundle has couplings, else the size the model was trained at)");
  app.add_option("--base-size", flags.base_size, "Size of the low-resolution image, WxH (default: from --size)");
  app.add_option("--steps", flags.request.steps, "Denoising steps (default: the bundle's)");
  app.add_option("--guidance,--cfg-scale", flags.request.guidance,
                 "Guidance scale; 1 and less: none (default: the bundle's)");
  app.add_option("--sampler", flags.request.sampler, joined_samplers() + " (default: the bundle's)");
  app.add_flag("--karras,!--no-karras", flags.request.karras, "Karras' noise levels, for euler and dpm++2m");
  app.add_flag("--no-upscale", flags.no_upscale, "Stop at low resolution; --size is then its size");
  app.add_option("--upscaler", flags.upscaler, "Another bundle whose autoencoder and couplings upscale")
      ->type_name("DIR");
  add_flow_options(app, flags.flow);
  app.add_option("--batch-size", flags.batch_size, "Images that are denoised together; 1 gives the same bytes always")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--shard", flags.shard, "I/N: only the images whose index modulo N is I, for N machines")
      ->capture_default_str();
  app.add_option("--save-intermediates", flags.intermediates_folder, "Folder for every latent and the low-res image")
      ->type_name("DIR");
  add_output_options(app, flags.output,
                     "File (.png, .jpg, .webp), folder/, pattern with %d {index} {seed} {prompt}, or - for stdout "
                     "(default: fmboost_<seed>.png)");
  add_run_options(app, flags.run);
}

void use_recipe(const GenerationMetadata& metadata, GenerateFlags& flags) {
  flags.request = metadata.request;
  flags.no_upscale = !metadata.request.upscale;
  flags.flow.flow = metadata.request.flow;
  flags.flow.tiles = metadata.tiles;
  flags.flow.tile = metadata.tiles.automatic   ? "auto"
                    : metadata.tiles.size == 0 ? "off"
                                             : std::to_string(metadata.tiles.size);
  flags.run.device = metadata.device;
  flags.run.dtype = metadata.dtype;
  flags.run.threads = metadata.threads;
  flags.output.quality = metadata.quality;
}

void finish(GenerateFlags& flags) {
  finish(flags.flow);
  flags.request.flow = flags.flow.flow;
  flags.request.upscale = !flags.no_upscale;
  if (!flags.long_prompt.empty()) {
    flags.request.long_prompt = parse_enum<LongPrompt>(flags.long_prompt);
  }
  if (flags.seed) {
    flags.request.seed = static_cast<std::uint64_t>(*flags.seed);
    if (*flags.seed < 0) {
      flags.request.seed = random_seed();
      log_info("random seed " + std::to_string(flags.request.seed));
    }
  }
  if (!flags.size.empty() && (flags.width || flags.height)) {
    throw UsageError("give --size or -W and -H, not both");
  }
  if (flags.width.has_value() != flags.height.has_value()) {
    throw UsageError("-W and -H belong together; for a square there is --size N");
  }
  if (!flags.size.empty()) {
    flags.request.size = parse_size(flags.size);
  } else if (flags.width) {
    flags.request.size = Size{*flags.width, *flags.height};
    check_size(*flags.request.size, "an image");
  }
  if (!flags.base_size.empty()) {
    flags.request.base_size = parse_size(flags.base_size);
  }
}

}  // namespace fmboost::tool
