#include <ATen/Parallel.h>
#include <memory>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

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
  explicit GenerateCommand(GenerateFlags flags) : flags_(std::move(flags)) {}

  int run();

 private:
  void collect_requests();
  void plan_names();
  void open_models();
  void check_models() const;
  std::vector<std::size_t> check_outputs();
  void draw();
  void write(std::size_t index, const GeneratedPicture& picture);
  void fail(std::size_t index, const std::exception& error);
  nlohmann::json fields(std::size_t index) const;
  Recipe recipe_of(const GeneratePlan& plan) const;

  GenerateFlags flags_;
  std::optional<Recipe> source_;
  std::size_t entries_ = 1;
  std::vector<GenerateRequest> requests_;
  std::vector<std::size_t> numbers_;  ///< of the requests among all of all shards
  std::vector<fs::path> outputs_;
  std::shared_ptr<ModelParts> parts_;
  std::shared_ptr<ModelParts> booster_;
  std::unique_ptr<ProgressBar> bar_;
  std::unique_ptr<Results> results_;
};

void GenerateCommand::collect_requests() {
  const Shard shard = parse_shard(flags_.shard);
  std::vector<GenerateRequest> entries{flags_.request};
  if (!flags_.prompts_file.empty()) {
    entries = read_prompts(flags_.prompts_file, flags_.request);
  }
  entries_ = entries.size();
  std::size_t number = 0;
  for (const auto& entry : entries) {
    for (std::int64_t i = 0; i < flags_.count; ++i, ++number) {
      if (number % shard.count == shard.index) {
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
                     .default_name = "fmboost_" + (entries_ > 1 ? index + "_" : "") + seed + ".png"});
  }
  outputs_ = plan_outputs(flags_.output.output, names);
}

void GenerateCommand::open_models() {
  parts_ = open_model(flags_.run.model, flags_.run);
  if (!flags_.boost_model.empty() || !parts_->manifest().boost.empty()) {
    booster_ = open_boosting_model(flags_.boost_model.empty() ? flags_.run.model : flags_.boost_model, flags_.run);
  }
  check_models();
}

// A recipe stands for bytes, which another model cannot give.
void GenerateCommand::check_models() const {
  if (!source_) {
    return;
  }
  const auto check = [&](const ModelIdentity& wanted, const ModelParts& found, const std::string& option, bool named) {
    if (wanted.hash == found.bundle().hash()) {
      return;
    }
    const std::string message = "'" + flags_.from + "' was made with the model '" + wanted.name + "' (" +
                                wanted.hash.substr(0, 10) + "), this is '" + found.manifest().name + "' (" +
                                found.bundle().hash().substr(0, 10) + ")";
    if (!named) {
      throw ModelError(message + "; name the right one with " + option + ", or this one to use it all the same");
    }
    log_warning(message + "; the picture will be another one");
  };
  check(source_->model, *parts_, "-m", !flags_.run.model.empty());
  if (source_->boost_model) {
    if (!booster_) {
      throw ModelError("'" + flags_.from + "' was enlarged by another model, '" + source_->boost_model->name +
                       "'; name it with --boost-model");
    }
    check(*source_->boost_model, *booster_, "--boost-model", !flags_.boost_model.empty());
  }
}

Recipe GenerateCommand::recipe_of(const GeneratePlan& plan) const {
  Recipe recipe;
  recipe.request = plan.request;
  recipe.request.size = plan.size;
  recipe.model = {parts_->manifest().name, parts_->bundle().hash()};
  if (booster_) {
    recipe.boost_model = ModelIdentity{booster_->manifest().name, booster_->bundle().hash()};
  }
  recipe.device = parts_->placement().device.is_cuda() ? "cuda" : "cpu";
  recipe.dtype = dtype_name(parts_->placement().dtype);
  recipe.threads = at::get_num_threads();
  recipe.tiles = flags_.flow.tiles;
  recipe.quality = flags_.output.quality;
  return recipe;
}

nlohmann::json GenerateCommand::fields(std::size_t index) const {
  return {{"prompt", requests_[index].prompt}, {"seed", requests_[index].seed}, {"model", parts_->manifest().name}};
}

void GenerateCommand::fail(std::size_t index, const std::exception& error) {
  results_->failed("picture " + std::to_string(numbers_[index] + 1), error, fields(index));
}

void GenerateCommand::write(std::size_t index, const GeneratedPicture& picture) {
  const Recipe recipe = recipe_of(picture.plan);
  Image image;
  image.pixels = picture.pixels.squeeze(0);
  image.metadata.text = {
      {"parameters", parameters_text(picture.plan, recipe, (booster_ ? booster_ : parts_)->manifest())},
      {"fmboost", to_text(recipe)}};
  nlohmann::json line = fields(index);
  try {
    if (!flags_.intermediates_folder.empty()) {
      const fs::path output = outputs_[index] == kStdout ? fs::path("stdout") : outputs_[index];
      write_intermediates(flags_.intermediates_folder, output.stem().string(), picture);
    }
    write_image(image, outputs_[index], flags_.output);
  } catch (const std::exception& error) {
    fail(index, error);
    return;
  }
  line["width"] = picture.plan.size.width;
  line["height"] = picture.plan.size.height;
  line["seconds"] = picture.seconds;
  results_->done(outputs_[index], line);
}

// What can be refused is refused before any work; returns the places of the rest.
std::vector<std::size_t> GenerateCommand::check_outputs() {
  std::vector<std::size_t> accepted;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (is_skipped(outputs_[i], flags_.output)) {
      results_->skipped(outputs_[i]);
      continue;
    }
    try {
      check_output(outputs_[i], flags_.output);
      accepted.push_back(i);
    } catch (const Error& error) {
      fail(i, error);
    }
  }
  return accepted;
}

void GenerateCommand::draw() {
  GeneratePipeline pipeline(parts_, booster_,
                            {.batch_size = flags_.batch_size,
                             .tiles = flags_.flow.tiles,
                             .keep_intermediates = !flags_.intermediates_folder.empty()});
  const std::vector<std::size_t> accepted = check_outputs();
  std::vector<GenerateRequest> requests;
  for (const auto i : accepted) {
    requests.push_back(requests_[i]);
  }
  GenerateCallbacks callbacks;
  callbacks.progress = bar_->callback();
  callbacks.finished = [&](std::size_t i, GeneratedPicture picture) { write(accepted[i], picture); };
  callbacks.failed = [&](std::size_t i, const std::exception& error) { fail(accepted[i], error); };
  callbacks.notice = [&](std::size_t, const std::string& text) {
    bar_->clear();
    log_warning(text);
  };
  pipeline.run(requests, callbacks);
}

int GenerateCommand::run() {
  apply(flags_.run);
  if (!flags_.from.empty()) {
    source_ = read_recipe(flags_.from);
  }
  finish(flags_);
  collect_requests();
  plan_names();
  if (!flags_.intermediates_folder.empty()) {
    make_folder(flags_.intermediates_folder);
  }
  open_models();
  bar_ = std::make_unique<ProgressBar>(requests_.size(), flags_.run.quiet);
  results_ = std::make_unique<Results>(requests_.size(), flags_.run, *bar_);
  draw();
  return results_->exit_code();
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  add_generate_options(app, *flags);
  return [flags, &app] {
    if (flags->example) {
      apply(flags->run);
      return print_examples(flags->run);
    }
    if (!flags->from.empty()) {
      // The recipe gives the defaults, and the command line is read once more over them.
      const std::string from = flags->from;
      *flags = GenerateFlags{};
      flags->from = from;
      use_recipe(read_recipe(from), *flags);
      const auto& all = arguments();
      std::vector<std::string> own(all.rbegin(), all.rend() - 1);  // CLI11 takes them reversed, without the command
      app.parse(own);
    }
    return GenerateCommand(*flags).run();
  };
}

}  // namespace fmboost::tool
