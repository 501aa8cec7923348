#include <iostream>
#include <iterator>
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
#include "commands/command.h"
#include "output/output_names.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct UpscaleFlags {
  RunOptions run;
  OutputOptions output;
  FlowFlags flow;
  UpscaleOptions options;
  std::vector<std::string> inputs;
  std::string size;
  std::string color_fix = enum_name(UpscaleOptions{}.color_fix);
  bool strip = false;
};

void add_options(CLI::App& app, UpscaleFlags& flags) {
  app.add_option("inputs", flags.inputs, "Images, folders of images, or - for stdin");
  auto* scale =
      app.add_option("--scale", flags.options.scale, "How many times larger each side becomes")->capture_default_str();
  app.add_option("--size", flags.size, "N: the longer side in pixels; WxH: the exact size")->excludes(scale);
  app.add_option("--color-fix", flags.color_fix, "none, adain or wavelet: take colors from the source")
      ->capture_default_str();
  app.add_option("-s,--seed", flags.options.seed, "Of the flow's noise, where there is any")->capture_default_str();
  app.add_flag("--strip", flags.strip, "Write none of the source's metadata");
  add_flow_options(app, flags.flow);
  add_output_options(app, flags.output,
                     "File (.png, .jpg, .webp), folder/, pattern with %d {index} {name}, or - for stdout (default: "
                     "<name>_<factor>x.png)");
  add_run_options(app, flags.run);
}

// "2x", "1.5x", or the size where that was given.
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

std::string title(const ImageSource& source) {
  return source.file == "-" ? "stdin" : source.file.string();
}

std::vector<std::byte> read_source(const ImageSource& source) {
  if (source.file != "-") {
    return read_file(source.file);
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

void finish_options(UpscaleFlags& flags) {
  finish(flags.flow);
  flags.options.flow = flags.flow.flow;
  flags.options.tiles = flags.flow.tiles;
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

std::vector<fs::path> plan_names(const UpscaleFlags& flags, const std::vector<ImageSource>& sources) {
  const bool folder = !flags.output.output.empty();
  std::vector<NameFields> names;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    std::string name = sources[i].name;
    // photo.jpg beside photo.png: the second one keeps its suffix in its name.
    for (std::size_t k = 0; k < i; ++k) {
      if (names[k].name == name && sources[i].file.extension() != sources[k].file.extension()) {
        name = sources[i].file.filename().string();
      }
    }
    names.push_back({.index = i,
                     .seed = std::to_string(flags.options.seed),
                     .prompt = {},
                     .name = name,
                     .default_name = name + (folder ? "" : "_" + factor_text(flags)) + ".png"});
  }
  return plan_outputs(flags.output.output, names);
}

// Upscales and writes one image; throws any error.
void upscale_one(const UpscaleFlags& flags, UpscalePipeline& pipeline, const ImageSource& source,
                 const fs::path& output, ProgressBar& bar, ResultReporter& results, nlohmann::json line) {
  check_output(output, flags.output);
  const Image image = decode_image(read_source(source), title(source));
  UpscaledImage upscaled = pipeline.run(image, {.progress = bar.callback(), .intermediate = {}});
  Image& result = upscaled.image;
  if (flags.strip) {
    if (!result.metadata.icc_profile.empty()) {
      log_debug("the pixels are written as sRGB, since the color profile is stripped too");
    }
    result.metadata = {};
  }
  write_image(result, output, flags.output);
  line["width"] = result.width();
  line["height"] = result.height();
  line["seconds"] = upscaled.seconds;
  results.done(output, line);
}

int run_upscale(UpscaleFlags flags) {
  apply(flags.run);
  if (flags.inputs.empty()) {
    throw UsageError("give at least one image or folder to upscale, or - for stdin");
  }
  finish_options(flags);
  const auto sources = collect_sources(flags.inputs);
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
  return [flags] { return run_upscale(*flags); };
}

}  // namespace fmboost::tool
