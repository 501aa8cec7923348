#include <exception>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"
#include "fmboost/pipeline/batch_errors.h"
#include "fmboost/pipeline/upscale.h"

#include "batch/batch_run.h"
#include "batch/read_ahead.h"
#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "cli/shard_option.h"
#include "commands/command.h"
#include "inputs/image_inputs.h"
#include "output/output_names.h"
#include "settings/generate_settings.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct UpscaleFlags {
  RunOptions run;
  OutputOptions output;
  JournalOptions journal;
  UpscaleOptions options;
  std::vector<std::string> inputs;
  std::string size;
  std::string color_fix = enum_name(UpscaleOptions{}.color_fix);
  bool strip = false;
  bool recursive = false;
  std::string shard = "0/1";
};

void add_options(CLI::App& app, UpscaleFlags& flags) {
  app.add_option("inputs", flags.inputs, "Images, folders of images, or - for stdin");
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
  app.add_flag("--recursive", flags.recursive,
               "Enter the folders in a folder; results keep their place in the tree below the output folder")
      ->group(kOutputGroup);
  app.add_flag("--strip", flags.strip, "Do not copy the input's metadata")->group(kOutputGroup);
  add_shard_option(app, flags.shard);
  add_journal_options(app, flags.journal);
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

/// An input that was read, or why it could not be.
struct ReadInput {
  BatchItem item;
  Image image;
  std::string hash = {};  ///< of the file's bytes; empty with --no-journal
  std::exception_ptr error;
};

/// One run of the command.
class UpscaleCommand {
 public:
  UpscaleCommand(const CLI::App& app, UpscaleFlags flags) : app_(app), flags_(std::move(flags)) {}

  int run();

 private:
  void select_shard();
  BatchSource items();
  nlohmann::json settings() const;
  BatchItem item(std::size_t index) const;
  ReadInput read(const BatchItem& item) const;
  void check_result(const BatchItem& item, const Size& source) const;
  MadeImage upscale(const ReadInput& input, BatchRun& batch);
  void work(BatchRun& batch);

  const CLI::App& app_;
  UpscaleFlags flags_;
  std::vector<InputImage> sources_;
  std::vector<fs::path> outputs_;
  std::shared_ptr<ModelComponents> components_;
  std::unique_ptr<UpscalePipeline> pipeline_;
  nlohmann::json settings_;         ///< those of every item
  std::vector<std::size_t> items_;  ///< numbers of the sources in this shard
  std::size_t taken_ = 0;           ///< items that the batch has taken
};

BatchSource UpscaleCommand::items() {
  const auto next = [this]() -> std::optional<BatchItem> {
    return taken_ == items_.size() ? std::nullopt : std::optional(item(items_[taken_++]));
  };
  return {.next = next, .ended = [this] { return taken_ == items_.size(); }, .count = items_.size()};
}

void UpscaleCommand::select_shard() {
  const Shard shard = resolve_shard(flags_.shard);
  for (std::size_t i = shard.index; i < sources_.size(); i += shard.count) {
    items_.push_back(i);
  }
}

// Everything that determines the bytes of a result, apart from the input.
nlohmann::json UpscaleCommand::settings() const {
  nlohmann::json settings = settings_to_json(flow_settings(), flags_.options.flow);
  settings.update(settings_to_json(tile_settings(), flags_.options.tiles));
  settings.update(settings_to_json(quality_settings(), flags_.output));
  settings.update(settings_to_json(lossless_settings(), flags_.output));
  settings.update({{flags_.size.empty() ? "scale" : "size", factor_text(flags_)},
                   {"color_fix", flags_.color_fix},
                   {"strip", flags_.strip},
                   {"seed", flags_.options.seed},
                   {"model", components_->bundle().hash()},
                   {"device", components_->placement().device.is_cuda() ? "cuda" : "cpu"},
                   {"dtype", dtype_name(components_->placement().dtype)}});
  return settings;
}

BatchItem UpscaleCommand::item(std::size_t index) const {
  return {.number = index,
          .title = "'" + title(sources_[index]) + "'",
          .output = outputs_[index],
          .input = sources_[index].file,
          .fields = {{"input", sources_[index].file.string()},
                     {"seed", flags_.options.seed},
                     {"model", components_->manifest().name}},
          .settings = settings_};
}

ReadInput UpscaleCommand::read(const BatchItem& item) const {
  ReadInput input{.item = item, .image = {}, .hash = {}, .error = nullptr};
  try {
    const InputImage& source = sources_[item.number];
    // What could not be written is refused from the header, before the image costs memory. An explicit size depends on
    // the orientation, which is known later.
    const auto check = [&](std::int64_t width, std::int64_t height) {
      if (!flags_.options.size) {
        check_result(item, {width, height});
      }
    };
    const std::vector<std::byte> bytes = read_source(source);
    if (!flags_.journal.disabled) {
      input.hash = sha256(bytes);
    }
    input.image = decode_image(bytes, title(source), {.check_size = check});
  } catch (...) {
    input.error = std::current_exception();
  }
  return input;
}

// Throws if the result of an image of this size could not be written.
void UpscaleCommand::check_result(const BatchItem& item, const Size& source) const {
  const Size size = upscaled_size(source, flags_.options);
  check_format_size(encoding_of(item.output, flags_.output).format, size.width, size.height);
}

MadeImage UpscaleCommand::upscale(const ReadInput& input, BatchRun& batch) {
  const Image& image = input.image;
  check_result(input.item, {image.width(), image.height()});
  UpscaledImage upscaled = pipeline_->run(image, {.progress = batch.progress(), .intermediate = {}});
  MadeImage made;
  made.image = std::move(upscaled.image);
  if (flags_.strip) {
    if (!made.image.metadata.icc_profile.empty()) {
      log_debug("pixels are written as sRGB, because the color profile is stripped too");
    }
    made.image.metadata = {};
  }
  made.input_hash = input.hash;
  made.fields = {{"width", made.image.width()}, {"height", made.image.height()}, {"seconds", upscaled.seconds}};
  return made;
}

void UpscaleCommand::work(BatchRun& batch) {
  constexpr std::size_t kReadAhead = 2;
  const auto find = [&]() -> std::optional<std::function<ReadInput()>> {
    std::optional<BatchItem> item = batch.next();
    if (!item) {
      return std::nullopt;
    }
    return [this, item = std::move(*item)] { return read(item); };
  };
  StreamReadAhead<ReadInput> inputs(find, kReadAhead);
  while (const std::optional<ReadInput> input = inputs.next()) {
    check_interrupt();
    try {
      if (input->error) {
        std::rethrow_exception(input->error);
      }
      batch.made(input->item, upscale(*input, batch));
    } catch (const std::exception& error) {
      if (ends_batch(error)) {
        throw;
      }
      batch.failed(input->item, error);
    }
  }
}

int UpscaleCommand::run() {
  configure_runtime(app_, flags_.run);
  if (flags_.inputs.empty()) {
    throw UsageError("no input given: name at least one image or folder, or - for stdin");
  }
  resolve(app_, flags_);
  sources_ = collect_inputs(flags_.inputs, {.recursive = flags_.recursive, .excluded = flags_.output.output});
  keep_suffixes_of_twins(sources_);
  outputs_ = plan_names(flags_, sources_);
  select_shard();
  components_ = open_upscaler(flags_.run.model, flags_.run);
  pipeline_ = std::make_unique<UpscalePipeline>(components_, flags_.options);
  settings_ = settings();
  BatchRun batch(items(), flags_.output, flags_.run, flags_.journal);
  return batch.run([&] { work(batch); });
}

}  // namespace

std::function<int()> add_upscale(CLI::App& app) {
  auto flags = std::make_shared<UpscaleFlags>();
  add_options(app, *flags);
  return [flags, &app] { return UpscaleCommand(app, *flags).run(); };
}

}  // namespace fmboost::tool
