#include <ATen/Parallel.h>
#include <deque>
#include <map>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "batch/batch_run.h"
#include "cli/common_options.h"
#include "cli/shard_option.h"
#include "commands/command.h"
#include "inputs/examples.h"
#include "inputs/prompts.h"
#include "output/generation_metadata.h"
#include "output/intermediates.h"
#include "output/output_names.h"
#include "output/result_reporter.h"
#include "settings/generate_flags.h"
#include "settings/generate_settings.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

/// An image that the batch has not taken yet.
struct PendingImage {
  std::size_t number = 0;  ///< position among the images of all shards
  GenerateRequest request;
  fs::path output;
};

/// One run of the command, from parsed flags to written files.
class GenerateCommand {
 public:
  GenerateCommand(const CLI::App& app, GenerateFlags flags) : app_(app), flags_(std::move(flags)) {}

  int run();

 private:
  void collect_requests();
  void add_images(const PromptEntry& entry);
  void read_next();
  NameFields name_fields(const PendingImage& image) const;
  void plan_names();
  void open_models();
  void check_models() const;
  BatchSource items();
  std::optional<BatchItem> next_item();
  nlohmann::json settings_of(const GenerateRequest& request) const;
  MadeImage made(const BatchItem& item, GeneratedImage generated) const;
  void draw(BatchRun& batch);
  GenerationMetadata metadata_of(const GeneratePlan& plan) const;

  const CLI::App& app_;
  GenerateFlags flags_;
  std::optional<GenerationMetadata> source_;
  Shard shard_;
  bool numbered_ = false;                 ///< default names contain the number
  std::size_t images_ = 0;                ///< of all shards, so far
  std::deque<PendingImage> pending_;      ///< not taken by the batch yet
  std::unique_ptr<PromptReader> stream_;  ///< prompts that arrive on stdin while images are made
  std::unique_ptr<OutputNames> names_;    ///< of the stream's images
  GenerateRequest taken_;                 ///< that of the item that the batch took last
  std::shared_ptr<ModelComponents> components_;
  std::shared_ptr<ModelComponents> upscaler_;
};

void GenerateCommand::collect_requests() {
  shard_ = resolve_shard(flags_.shard);
  const PromptEntry defaults{flags_.request, flags_.count};
  if (flags_.prompts_file.empty()) {
    add_images(defaults);
    return;
  }
  auto reader = std::make_unique<PromptReader>(flags_.prompts_file, defaults);
  if (flags_.prompts_file == "-") {
    numbered_ = true;
    stream_ = std::move(reader);
    return;
  }
  std::size_t entries = 0;
  for (auto entry = reader->next(); entry; entry = reader->next(), ++entries) {
    add_images(*entry);
  }
  numbered_ = entries > 1;
}

// The images of an entry that are this shard's.
void GenerateCommand::add_images(const PromptEntry& entry) {
  for (std::int64_t i = 0; i < entry.count; ++i, ++images_) {
    if (images_ % shard_.count == shard_.index) {
      pending_.push_back({images_, entry.request, {}});
      pending_.back().request.seed += static_cast<std::uint64_t>(i);
    }
  }
}

NameFields GenerateCommand::name_fields(const PendingImage& image) const {
  const std::string seed = std::to_string(image.request.seed);
  const std::string index = std::to_string(image.number);
  return {.index = image.number,
          .seed = seed,
          .prompt = image.request.prompt,
          .name = {},
          .folder = {},
          .default_name = "fmboost_" + (numbered_ ? index + "_" : "") + seed + ".png"};
}

void GenerateCommand::plan_names() {
  if (stream_) {
    names_ = std::make_unique<OutputNames>(flags_.output.output);
    return;
  }
  std::vector<NameFields> fields;
  for (const auto& image : pending_) {
    fields.push_back(name_fields(image));
  }
  const auto outputs = plan_outputs(flags_.output.output, fields);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    pending_[i].output = outputs[i];
  }
}

// Reads prompts from stdin until there is an image for this shard, or no prompt is left.
void GenerateCommand::read_next() {
  while (stream_ && pending_.empty()) {
    const std::optional<PromptEntry> entry = stream_->next();
    if (!entry) {
      return;
    }
    add_images(*entry);
    for (auto& image : pending_) {
      image.output = names_->next(name_fields(image));
    }
  }
}

void GenerateCommand::open_models() {
  components_ = open_model(flags_.run.model, flags_.run);
  if (!flags_.upscaler.empty() || !components_->manifest().upscaler.empty()) {
    upscaler_ = open_upscaler(flags_.upscaler.empty() ? flags_.run.model : flags_.upscaler, flags_.run);
  }
  check_models();
}

// Another model cannot reproduce the bytes that the metadata describe.
void GenerateCommand::check_models() const {
  if (!source_) {
    return;
  }
  const auto check = [&](const ModelIdentity& wanted, const ModelComponents& found, const std::string& option,
                         bool named) {
    if (wanted.hash == found.bundle().hash()) {
      return;
    }
    const std::string message = "'" + flags_.from + "' was generated with the model '" + wanted.name + "' (" +
                                wanted.hash.substr(0, 10) + "), but this is '" + found.manifest().name + "' (" +
                                found.bundle().hash().substr(0, 10) + ")";
    if (!named) {
      throw ModelError(message + "; select the right one with " + option + ", or name this one there to use it anyway");
    }
    log_warning(message + "; the image will differ");
  };
  check(source_->model, *components_, "-m", !flags_.run.model.empty());
  if (source_->upscaler) {
    if (!upscaler_) {
      throw ModelError("'" + flags_.from + "' was upscaled by another model, '" + source_->upscaler->name +
                       "'; select it with --upscaler");
    }
    check(*source_->upscaler, *upscaler_, "--upscaler", !flags_.upscaler.empty());
  }
}

GenerationMetadata GenerateCommand::metadata_of(const GeneratePlan& plan) const {
  GenerationMetadata metadata;
  metadata.request = plan.request;
  metadata.request.size = plan.size;
  metadata.model = {components_->manifest().name, components_->bundle().hash()};
  if (upscaler_) {
    metadata.upscaler = ModelIdentity{upscaler_->manifest().name, upscaler_->bundle().hash()};
  }
  metadata.run.device = components_->placement().device.is_cuda() ? "cuda" : "cpu";
  metadata.run.dtype = dtype_name(components_->placement().dtype);
  metadata.run.threads = at::get_num_threads();
  metadata.tiles = flags_.tiles;
  metadata.output.quality = flags_.output.quality;
  return metadata;
}

// Everything that determines the bytes of an image, apart from what the model derives from it.
nlohmann::json GenerateCommand::settings_of(const GenerateRequest& request) const {
  const auto identity = [](const ModelComponents& model) { return model.bundle().hash(); };
  nlohmann::json settings = settings_to_json(request_settings(), request);
  settings.update(settings_to_json(tile_settings(), flags_.tiles));
  settings.update(settings_to_json(quality_settings(), flags_.output));
  settings.update(settings_to_json(lossless_settings(), flags_.output));
  settings["model"] = identity(*components_);
  if (upscaler_) {
    settings["upscaler"] = identity(*upscaler_);
  }
  settings["device"] = components_->placement().device.is_cuda() ? "cuda" : "cpu";
  settings["dtype"] = dtype_name(components_->placement().dtype);
  return settings;
}

// The images as items of the batch, in order.
BatchSource GenerateCommand::items() {
  BatchSource source{.next = [this] { return next_item(); },
                     .ended = [this] { return pending_.empty() && (!stream_ || stream_->ended()); },
                     .count = {}};
  if (stream_) {
    source.would_wait = [this] { return pending_.empty() && stream_->would_wait(); };
  } else {
    source.count = pending_.size();
  }
  return source;
}

std::optional<BatchItem> GenerateCommand::next_item() {
  read_next();
  if (pending_.empty()) {
    return std::nullopt;
  }
  PendingImage image = std::move(pending_.front());
  pending_.pop_front();
  BatchItem item{.number = image.number,
                 .title = "image " + std::to_string(image.number + 1),
                 .output = std::move(image.output),
                 .input = {},
                 .fields = {{"prompt", image.request.prompt},
                            {"seed", image.request.seed},
                            {"model", components_->manifest().name}},
                 .settings = settings_of(image.request)};
  taken_ = std::move(image.request);
  return item;
}

// The image with its metadata, ready to be written.
MadeImage GenerateCommand::made(const BatchItem& item, GeneratedImage generated) const {
  const GenerationMetadata metadata = metadata_of(generated.plan);
  MadeImage made;
  made.image.pixels = generated.pixels.squeeze(0);
  made.image.metadata.text = {{"parameters", parameters_text(generated.plan, metadata)},
                              {"fmboost", to_text(metadata)}};
  made.fields = {
      {"width", generated.plan.size.width}, {"height", generated.plan.size.height}, {"seconds", generated.seconds}};
  if (!flags_.intermediates_folder.empty()) {
    const fs::path output = item.output == kStdout ? fs::path("stdout") : item.output;
    made.extras = [folder = flags_.intermediates_folder, stem = output.stem().string(),
                   generated = std::move(generated)] { write_intermediates(folder, stem, generated); };
  }
  return made;
}

void GenerateCommand::draw(BatchRun& batch) {
  GeneratePipeline pipeline(components_, upscaler_,
                            {.batch_size = flags_.batch_size,
                             .tiles = flags_.tiles,
                             .keep_intermediates = !flags_.intermediates_folder.empty()});
  std::map<std::size_t, BatchItem> working;  // by the pipeline's index
  std::size_t started = 0;
  const auto next = [&]() -> std::optional<GenerateRequest> {
    std::optional<BatchItem> item = batch.next();
    if (!item) {
      return std::nullopt;
    }
    working.emplace(started++, std::move(*item));
    return taken_;
  };
  GenerateCallbacks callbacks;
  callbacks.progress = batch.progress();
  callbacks.finished = [&](std::size_t i, GeneratedImage image) {
    const BatchItem item = std::move(working.extract(i).mapped());
    batch.made(item, made(item, std::move(image)));
  };
  callbacks.failed = [&](std::size_t i, const std::exception& error) {
    batch.failed(working.extract(i).mapped(), error);
  };
  callbacks.notice = [&](std::size_t, const std::string& text) { batch.warn(text); };
  pipeline.run({.next = next, .ended = [&] { return batch.ended(); }, .would_wait = [&] { return batch.would_wait(); }},
               callbacks);
}

int GenerateCommand::run() {
  configure_verbosity(flags_.run);
  if (!flags_.from.empty()) {
    source_ = read_generation_metadata(flags_.from);
    apply_metadata(*source_, flags_);
  }
  configure_runtime(app_, flags_.run);
  resolve(app_, flags_);
  collect_requests();
  plan_names();
  if (!flags_.intermediates_folder.empty()) {
    make_folder(flags_.intermediates_folder);
  }
  open_models();
  BatchRun batch(items(), flags_.output, flags_.run, flags_.journal);
  return batch.run([&] { draw(batch); });
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  add_generate_options(app, *flags);
  return [flags, &app] {
    if (flags->example) {
      configure_verbosity(flags->run);
      return print_examples(flags->run);
    }
    return GenerateCommand(app, *flags).run();
  };
}

}  // namespace fmboost::tool
