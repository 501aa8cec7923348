#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"
#include "fmboost/pipeline/batch_errors.h"
#include "fmboost/pipeline/upscale.h"

#include "cli/common_options.h"
#include "cli/image_inputs.h"
#include "cli/option_groups.h"
#include "commands/command.h"
#include "output/output_names.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct UpscaleFlags {
  RunOptions run;
  OutputOptions output;
  UpscaleOptions options;
  std::vector<std::string> inputs;
  std::string size;
  std::string color_fix = enum_name(UpscaleOptions{}.color_fix);
  bool strip = false;
  bool recursive = false;
};

void add_options(CLI::App& app, UpscaleFlags& flags) {
  app.add_option("inputs", flags.inputs, "Images, folders of images, or - for stdin");
  app.add_flag("--recursive", flags.recursive,
               "Enter the folders in a folder; results keep their place in the tree below the output folder");
  auto* scale = app.add_option("--scale", flags.options.scale, "Factor by which each side grows")
                    ->capture_default_str()
                    ->group(kSizeGroup);
  app.add_option("--size", flags.size, "N: length of the longer side in pixels; WxH: exact size")
      ->excludes(scale)
      ->group(kSizeGroup);
  add_upscaling_settings(app);
  app.add_option("--color-fix", flags.color_fix, "Match colors to the input: none, adain or wavelet")
      ->capture_default_str()
      ->group(kUpscalingGroup);
  app.add_option("-s,--seed", flags.options.seed, "Seed of the flow's noise, if the coupling uses noise")
      ->capture_default_str()
      ->group(kUpscalingGroup);
  add_output_options(
      app, flags.output,
      "File (.png, .jpg, .webp, .tif), folder/, pattern with %d {index} {name} {folder}, or - for stdout (default: "
      "<name>_<factor>x.png)");
  app.add_flag("--strip", flags.strip, "Do not copy the input's metadata")->group(kOutputGroup);
  add_run_options(app, flags.run);
}

// "2x", "1.5x", or the size if one was given.
std::string factor_text(const UpscaleFlags& flags) {
  if (!flags.size.empty()) {
    return flags.size;
  }
  std::string text = std::to_string(flags.options.scale);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') {
    text.pop_back();
  }
  return text + "x";
}

std::string title(const InputImage& source) {
  return source.file == "-" ? "stdin" : source.file.string();
}

std::vector<std::byte> read_source(const InputImage& source) {
  if (source.file != "-") {
    return read_file(source.file);
  }
  return read_stdin();
}

void resolve(const CLI::App& app, UpscaleFlags& flags) {
  read_upscaling_settings(app, flags.options.flow, flags.options.tiles);
  read_given(app, quality_settings(), flags.output);
  read_given(app, lossless_settings(), flags.output);
  flags.options.color_fix = parse_enum<ColorFix>(flags.color_fix);
  if (!flags.size.empty()) {
    const Size size = parse_size(flags.size);
    if (flags.size.find_first_of("xX") == std::string::npos) {
      flags.options.long_side = size.width;
    } else {
      flags.options.size = size;
    }
  }
  flags.options.check();
}

std::vector<fs::path> plan_names(const UpscaleFlags& flags, const std::vector<InputImage>& sources) {
  const bool folder = !flags.output.output.empty();
  std::vector<NameFields> names;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string& name = sources[i].name;
    names.push_back({.index = i,
                     .seed = std::to_string(flags.options.seed),
                     .prompt = {},
                     .name = name,
                     .folder = sources[i].folder,
                     .default_name = name + (folder ? "" : "_" + factor_text(flags)) + ".png"});
  }
  return plan_outputs(flags.output.output, names);
}

// Upscales and writes one image; throws on failure.
void upscale_one(const UpscaleFlags& flags, UpscalePipeline& pipeline, const InputImage& source, const fs::path& output,
                 ProgressBar& bar, ResultReporter& results, nlohmann::json line) {
  check_output(output, flags.output);
  const Image image = decode_image(read_source(source), title(source));
  const Size size = upscaled_size({image.width(), image.height()}, flags.options);
  check_format_size(encoding_of(output, flags.output).format, size.width, size.height);
  UpscaledImage upscaled = pipeline.run(image, {.progress = bar.callback(), .intermediate = {}});
  Image& result = upscaled.image;
  if (flags.strip) {
    if (!result.metadata.icc_profile.empty()) {
      log_debug("pixels are written as sRGB, because the color profile is stripped too");
    }
    result.metadata = {};
  }
  write_image(result, output, flags.output);
  line["width"] = result.width();
  line["height"] = result.height();
  line["seconds"] = upscaled.seconds;
  results.done(output, line);
}

int run_upscale(const CLI::App& app, UpscaleFlags flags) {
  configure_runtime(app, flags.run);
  if (flags.inputs.empty()) {
    throw UsageError("no input given: name at least one image or folder, or - for stdin");
  }
  resolve(app, flags);
  auto sources = collect_inputs(flags.inputs, {.recursive = flags.recursive, .excluded = flags.output.output});
  keep_suffixes_of_twins(sources);
  const auto outputs = plan_names(flags, sources);
  const auto components = open_upscaler(flags.run.model, flags.run);
  UpscalePipeline pipeline(components, flags.options);
  ProgressBar bar(sources.size(), flags.run.quiet);
  ResultReporter results(sources.size(), flags.run, bar);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    check_interrupt();
    if (is_skipped(outputs[i], flags.output)) {
      results.skipped(outputs[i]);
      continue;
    }
    const nlohmann::json line = {
        {"input", sources[i].file.string()}, {"seed", flags.options.seed}, {"model", components->manifest().name}};
    try {
      upscale_one(flags, pipeline, sources[i], outputs[i], bar, results, line);
    } catch (const std::exception& error) {
      if (ends_batch(error)) {
        throw;
      }
      results.failed("'" + title(sources[i]) + "'", error, line);
    }
  }
  return results.exit_code();
}

}  // namespace

std::function<int()> add_upscale(CLI::App& app) {
  auto flags = std::make_shared<UpscaleFlags>();
  add_options(app, *flags);
  return [flags, &app] { return run_upscale(app, *flags); };
}

}  // namespace fmboost::tool
