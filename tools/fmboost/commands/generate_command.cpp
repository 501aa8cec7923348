#include <ATen/Parallel.h>
#include <map>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

#include "batch/batch_run.h"
#include "cli/common_options.h"
#include "cli/examples.h"
#include "cli/generate_flags.h"
#include "cli/prompts.h"
#include "commands/command.h"
#include "output/generation_metadata.h"
#include "output/intermediates.h"
#include "output/output_names.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

/// One run of the command, from parsed flags to written files.
class GenerateCommand {
 public:
  GenerateCommand(const CLI::App& app, GenerateFlags flags) : app_(app), flags_(std::move(flags)) {}

  int run();

 private:
  void collect_requests();
  void plan_names();
  void open_models();
  void check_models() const;
  BatchSource items();
  BatchItem item(std::size_t index) const;
  std::size_t index_of(const BatchItem& item) const { return item.number / shard_.count; }
  MadeImage made(const BatchItem& item, GeneratedImage generated) const;
  void draw(BatchRun& batch);
  GenerationMetadata metadata_of(const GeneratePlan& plan) const;

  const CLI::App& app_;
  GenerateFlags flags_;
  std::optional<GenerationMetadata> source_;
  Shard shard_;
  std::size_t entries_ = 1;
  std::size_t taken_ = 0;  ///< requests that the batch has taken
  std::vector<GenerateRequest> requests_;
  std::vector<std::size_t> numbers_;  ///< positions of the requests among those of all shards
  std::vector<fs::path> outputs_;
  std::shared_ptr<ModelComponents> components_;
  std::shared_ptr<ModelComponents> chain_;
};

void GenerateCommand::collect_requests() {
  shard_ = parse_shard(flags_.shard);
  std::vector<GenerateRequest> entries{flags_.request};
  if (!flags_.prompts_file.empty()) {
    entries = read_prompts(flags_.prompts_file, flags_.request);
  }
  entries_ = entries.size();
  std::size_t number = 0;
  for (const auto& entry : entries) {
    for (std::int64_t i = 0; i < flags_.count; ++i, ++number) {
      if (number % shard_.count == shard_.index) {
        requests_.push_back(entry);
        requests_.back().seed += static_cast<std::uint64_t>(i);
        numbers_.push_back(number);
      }
    }
  }
}

void GenerateCommand::plan_names() {
  std::vector<NameFields> names;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const std::string seed = std::to_string(requests_[i].seed);
    const std::string index = std::to_string(numbers_[i]);
    names.push_back({.index = numbers_[i],
                     .seed = seed,
                     .prompt = requests_[i].prompt,
                     .name = {},
                     .folder = {},
                     .default_name = "fmboost_" + (entries_ > 1 ? index + "_" : "") + seed + ".png"});
  }
  outputs_ = plan_outputs(flags_.output.output, names);
}

void GenerateCommand::open_models() {
  components_ = open_model(flags_.run.model, flags_.run);
  if (!flags_.upscaler.empty() || !components_->manifest().upscaler.empty()) {
    chain_ = open_upscaler(flags_.upscaler.empty() ? flags_.run.model : flags_.upscaler, flags_.run);
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
    if (!chain_) {
      throw ModelError("'" + flags_.from + "' was upscaled by another model, '" + source_->upscaler->name +
                       "'; select it with --upscaler");
    }
    check(*source_->upscaler, *chain_, "--upscaler", !flags_.upscaler.empty());
  }
}

GenerationMetadata GenerateCommand::metadata_of(const GeneratePlan& plan) const {
  GenerationMetadata metadata;
  metadata.request = plan.request;
  metadata.request.size = plan.size;
  metadata.model = {components_->manifest().name, components_->bundle().hash()};
  if (chain_) {
    metadata.upscaler = ModelIdentity{chain_->manifest().name, chain_->bundle().hash()};
  }
  metadata.run.device = components_->placement().device.is_cuda() ? "cuda" : "cpu";
  metadata.run.dtype = dtype_name(components_->placement().dtype);
  metadata.run.threads = at::get_num_threads();
  metadata.tiles = flags_.tiles;
  metadata.output.quality = flags_.output.quality;
  return metadata;
}

// The requests as items of the batch, in order.
BatchSource GenerateCommand::items() {
  const auto next = [this]() -> std::optional<BatchItem> {
    return taken_ == requests_.size() ? std::nullopt : std::optional(item(taken_++));
  };
  return {.next = next, .ended = [this] { return taken_ == requests_.size(); }, .count = requests_.size()};
}

BatchItem GenerateCommand::item(std::size_t index) const {
  const GenerateRequest& request = requests_[index];
  return {.number = numbers_[index],
          .title = "image " + std::to_string(numbers_[index] + 1),
          .output = outputs_[index],
          .fields = {{"prompt", request.prompt}, {"seed", request.seed}, {"model", components_->manifest().name}},
          .settings = {}};
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
  GeneratePipeline pipeline(components_, chain_,
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
    const GenerateRequest request = requests_[index_of(*item)];
    working.emplace(started++, std::move(*item));
    return request;
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
  pipeline.run({.next = next, .ended = [&] { return batch.ended(); }}, callbacks);
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
  BatchRun batch(items(), flags_.output, flags_.run);
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
