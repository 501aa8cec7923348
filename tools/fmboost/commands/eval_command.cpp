#include <memory>

#include "fmboost/core/error.h"

#include "commands/command.h"
#include "commands/eval_modes.h"

namespace fmboost::tool {
namespace {

void add_modes(CLI::App& app, EvalFlags& flags) {
  app.add_option("--pairs", flags.pairs, "Compare the images of a folder with those of the same names in another")
      ->type_name("DIR")
      ->expected(2);
  app.add_option("--upscale", flags.upscale,
                 "Reduce originals, upscale them with the model and without, and compare with the originals")
      ->type_name("PATH");
  app.add_option("--fid", flags.fid, "The Frechet Inception distance of two folders, whose images need no partners")
      ->type_name("DIR")
      ->expected(2);
  app.add_option("--border", flags.border,
                 "Pixels at every side that --pairs and --upscale leave out (default: 0; --upscale: the scale)")
      ->check(CLI::Range(0, 4096));
}

void add_upscale_options(CLI::App& app, EvalFlags& flags) {
  app.add_option("--scale", flags.scale, "Of --upscale: how many times smaller, and larger again")
      ->check(CLI::Range(2, 16))
      ->capture_default_str();
  app.add_option("--color-fix", flags.color_fix, "none, adain or wavelet: take colors from the source")
      ->capture_default_str();
  app.add_option("-s,--seed", flags.options.seed, "Of the flow's noise, and of the places of crops")
      ->capture_default_str();
  add_flow_options(app, flags.flow);
}

void add_fid_options(CLI::App& app, EvalFlags& flags) {
  app.add_option("--inception", flags.inception,
                 "Of --fid: the network whose features are compared, TorchScript from scripts/export_inception.py")
      ->type_name("FILE");
  app.add_option("--crops", flags.fid_options.crops, "Of patch-FID: random crops of every image; 0: no patch-FID")
      ->capture_default_str();
  app.add_option("--crop-size", flags.fid_options.crop_size, "Of patch-FID: their side in pixels")
      ->capture_default_str();
  app.add_option("--batch-size", flags.fid_options.batch_size, "Of --fid: images that are run at once")
      ->capture_default_str();
  app.add_flag("--allow-few", flags.allow_few,
               "Of --fid: give distances even where the images are too few for covariances of full rank");
}

void add_output(CLI::App& app, EvalFlags& flags) {
  app.add_option("-o,--output", flags.output.output, "Write the report into this file as well: .md or .json")
      ->type_name("FILE");
  app.add_flag("--force", flags.output.force, "Overwrite an existing file");
  add_run_options(app, flags.run);
  app.get_option("--json")->description("JSON on stdout instead of tables: a line an image, and a summary");
}

void check(EvalFlags& flags) {
  const int modes = static_cast<int>(!flags.pairs.empty()) + static_cast<int>(!flags.upscale.empty()) +
                    static_cast<int>(!flags.fid.empty());
  if (modes != 1) {
    throw UsageError(std::string(modes == 0 ? "eval needs" : "eval does one thing at a time: give") +
                     " one of --pairs, --upscale and --fid; see `fmboost eval --help`");
  }
  const std::filesystem::path file = flags.output.output;
  if (!file.empty() && file.extension() != ".md" && file.extension() != ".json") {
    throw UsageError("a report is written as .md or .json, not as '" + file.string() + "'");
  }
  if (!file.empty()) {
    check_output(file, flags.output);
  }
  finish(flags.flow);
  flags.options.scale = flags.scale;
  flags.options.flow = flags.flow.flow;
  flags.options.tiles = flags.flow.tiles;
  flags.options.color_fix = parse_enum<ColorFix>(flags.color_fix);
  flags.options.check();
  flags.fid_options.seed = flags.options.seed;
}

}  // namespace

std::function<int()> add_eval(CLI::App& app) {
  auto flags = std::make_shared<EvalFlags>();
  add_modes(app, *flags);
  add_upscale_options(app, *flags);
  add_fid_options(app, *flags);
  add_output(app, *flags);
  return [flags] {
    apply(flags->run);
    check(*flags);
    return !flags->pairs.empty()     ? run_pairs(*flags)
           : !flags->upscale.empty() ? run_upscaling(*flags)
                                     : run_fid(*flags);
  };
}

}  // namespace fmboost::tool
