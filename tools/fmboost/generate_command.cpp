#include <ATen/Parallel.h>

#include <iostream>
#include <limits>
#include <memory>

#include "command.h"
#include "common_options.h"
#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"
#include "fmboost/core/random.h"
#include "fmboost/core/safetensors.h"
#include "fmboost/diffusion/sampler.h"
#include "fmboost/image/encode.h"
#include "output_names.h"
#include "prompts.h"
#include "recipe.h"
#include "results.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct GenerateFlags {
  RunOptions run;
  OutputOptions output;
  FlowFlags flow;
  GenerateRequest request;
  std::string prompts_file;
  std::string from;
  std::string boost_model;
  std::string size;
  std::string base_size;
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t seed = 42;
  std::int64_t count = 1;
  std::int64_t batch_size = GenerateSettings{}.batch_size;
  bool no_boost = false;
  std::string shard = "0/1";
  std::string intermediates_folder;
};

std::string joined_samplers() {
  std::string text;
  for (const auto& name : sampler_names()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

void add_options(CLI::App& app, GenerateFlags& flags) {
  auto* prompt = app.add_option("-p,--prompt", flags.request.prompt, "What to draw; empty: whatever comes");
  app.add_option("-n,--negative-prompt", flags.request.negative_prompt, "What to stay away from, where guidance is on");
  app.add_option("--prompts", flags.prompts_file,
                 "A file (or - for stdin) with a prompt a line, or JSON lines with settings of their own")
      ->excludes(prompt);
  app.add_option("--from", flags.from, "Make a picture again from the data in it; other options change what they name")
      ->type_name("PICTURE");
  app.add_option("-s,--seed", flags.seed, "Negative: a random one, which is reported")->capture_default_str();
  app.add_option("-b,--count", flags.count, "Pictures of each prompt, with seeds that count up")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("-W,--width", flags.width, "Final width in pixels");
  app.add_option("-H,--height", flags.height, "Final height in pixels");
  app.add_option("--size", flags.size, "Final size: N or WxH (default: the smallest enlargement of the native size)");
  app.add_option("--base-size", flags.base_size, "Size of the low-resolution picture, WxH (default: from --size)");
  app.add_option("--steps", flags.request.steps, "Denoising steps (default: the bundle's)");
  app.add_option("--guidance,--cfg-scale", flags.request.guidance, "Guidance scale; 1 and less: none (default: the bundle's)");
  app.add_option("--sampler", flags.request.sampler, joined_samplers() + " (default: the bundle's)");
  app.add_flag("--karras,!--no-karras", flags.request.karras, "Karras' noise levels, for euler and dpm++2m");
  app.add_flag("--no-boost", flags.no_boost, "Stop at low resolution; --size is then its size");
  app.add_option("--boost-model", flags.boost_model, "Another bundle whose autoencoder and couplings enlarge")
      ->type_name("DIR");
  add_flow_options(app, flags.flow);
  app.add_option("--batch-size", flags.batch_size, "Pictures that are denoised together; 1 gives the same bytes always")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--shard", flags.shard, "I/N: only the pictures whose index modulo N is I, for N machines")
      ->capture_default_str();
  app.add_option("--save-intermediates", flags.intermediates_folder, "Folder for every latent and the low-res picture")
      ->type_name("DIR");
  add_output_options(app, flags.output,
                     "File (.png, .jpg, .webp), folder/, pattern with %d {index} {seed} {prompt}, or - for stdout "
                     "(default: fmboost_<seed>.png)");
  add_run_options(app, flags.run);
}

void use_recipe(const Recipe& recipe, GenerateFlags& flags) {
  flags.request = recipe.request;
  flags.seed = static_cast<std::int64_t>(recipe.request.seed);
  flags.no_boost = !recipe.request.boost;
  flags.flow.flow = recipe.request.flow;
  flags.flow.tiles = recipe.tiles;
  flags.flow.tile = recipe.tiles.automatic ? "auto" : recipe.tiles.size == 0 ? "off" : std::to_string(recipe.tiles.size);
  flags.run.device = recipe.device;
  flags.run.dtype = recipe.dtype;
  flags.run.threads = recipe.threads;
  flags.output.quality = recipe.quality;
}

void finish_request(GenerateFlags& flags) {
  finish(flags.flow);
  flags.request.flow = flags.flow.flow;
  flags.request.boost = !flags.no_boost;
  if (flags.seed < 0) {
    flags.seed = static_cast<std::int64_t>(random_seed());
    log_info("random seed " + std::to_string(flags.seed));
  }
  flags.request.seed = static_cast<std::uint64_t>(flags.seed);
  if (!flags.size.empty() && (flags.width != 0 || flags.height != 0)) {
    throw UsageError("give --size or -W and -H, not both");
  }
  if ((flags.width != 0) != (flags.height != 0)) {
    throw UsageError("-W and -H belong together; for a square there is --size N");
  }
  if (!flags.size.empty()) {
    flags.request.size = parse_size(flags.size);
  } else if (flags.width != 0) {
    flags.request.size = Size{flags.width, flags.height};
    check_size(*flags.request.size, "a picture");
  }
  if (!flags.base_size.empty()) {
    flags.request.base_size = parse_size(flags.base_size);
  }
}

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
  void write(std::size_t index, const GeneratedPicture& picture);
  void write_intermediates(std::size_t index, const GeneratedPicture& picture) const;
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
  if (!flags_.boost_model.empty()) {
    booster_ = open_model(flags_.boost_model, flags_.run);
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
    check(*source_->boost_model, *booster_, "--boost-model", true);
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
  return {{"prompt", requests_[index].prompt},
          {"seed", requests_[index].seed},
          {"model", parts_->manifest().name}};
}

void GenerateCommand::write_intermediates(std::size_t index, const GeneratedPicture& picture) const {
  const fs::path output = outputs_[index] == kStdout ? fs::path("stdout") : outputs_[index];
  const fs::path folder = flags_.intermediates_folder;
  fs::create_directories(folder);
  const std::string stem = output.stem().string();
  for (const auto& [name, tensor] : picture.intermediates) {
    if (name == "low") {
      Image low;
      low.pixels = tensor.squeeze(0);
      write_file_atomically(folder / (stem + "_low.png"), encode_image(low, {}));
      continue;
    }
    // The first coupling's need no number.
    std::string plain = name;
    if (const auto dash = name.find('-'); dash != std::string::npos) {
      const int number = std::stoi(name.substr(dash + 1));
      plain = name.substr(0, dash) + (number == 0 ? "" : "_" + std::to_string(number + 1));
    }
    write_safetensors(folder / (stem + "_" + plain + ".safetensors"), {{"latent", tensor}});
  }
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
      write_intermediates(index, picture);
    }
    write_image(image, outputs_[index], flags_.output);
  } catch (const Error& error) {
    results_->failed("picture " + std::to_string(numbers_[index] + 1), error, line);
    return;
  }
  line["width"] = picture.plan.size.width;
  line["height"] = picture.plan.size.height;
  line["seconds"] = picture.seconds;
  results_->done(outputs_[index], line);
}

int GenerateCommand::run() {
  apply(flags_.run);
  if (!flags_.from.empty()) {
    source_ = read_recipe(flags_.from);
  }
  finish_request(flags_);
  collect_requests();
  plan_names();
  open_models();
  GeneratePipeline pipeline(parts_, booster_,
                            {.batch_size = flags_.batch_size,
                             .tiles = flags_.flow.tiles,
                             .keep_intermediates = !flags_.intermediates_folder.empty()});
  bar_ = std::make_unique<ProgressBar>(requests_.size(), flags_.run.quiet);
  results_ = std::make_unique<Results>(requests_.size(), flags_.run, *bar_);
  // What can be refused is refused before any work.
  std::vector<GenerateRequest> accepted;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (is_skipped(outputs_[i], flags_.output)) {
      results_->skipped(outputs_[i]);
      continue;
    }
    try {
      check_output(outputs_[i], flags_.output);
      accepted.push_back(requests_[i]);
      indices.push_back(i);
    } catch (const Error& error) {
      results_->failed("picture " + std::to_string(numbers_[i] + 1), error, fields(i));
    }
  }
  GenerateCallbacks callbacks;
  callbacks.progress = bar_->callback();
  callbacks.finished = [&](std::size_t i, GeneratedPicture picture) { write(indices[i], picture); };
  callbacks.failed = [&](std::size_t i, const std::exception& error) {
    results_->failed("picture " + std::to_string(numbers_[indices[i]] + 1), error, fields(indices[i]));
  };
  callbacks.notice = [&](std::size_t, const std::string& text) {
    bar_->clear();
    log_warning(text);
  };
  pipeline.run(accepted, callbacks);
  return results_->exit_code();
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  add_options(app, *flags);
  return [flags, &app] {
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
