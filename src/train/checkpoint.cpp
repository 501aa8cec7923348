#include "train/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/atomic_folder.h"
#include "fmboost/io/files.h"

#include "data/shards/json_differences.h"
#include "io/json_reader.h"
#include "nn/cfm/cfm_unet.h"
#include "train/options_json.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr const char* kFormat = "fmboost-checkpoint";
constexpr const char* kDescription = "checkpoint.json";
constexpr std::array kTensorFiles{"model", "ema", "exp_avg", "exp_avg_sq"};

// The step of "step-00001000", nothing for other names.
std::optional<std::int64_t> parse_step(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  const std::string digits = name.substr(std::min(name.size(), kPrefix.size()));
  const bool fits = name.starts_with(kPrefix) && digits.size() >= 8 && digits.size() < 19 &&
                    digits.find_first_not_of("0123456789") == std::string::npos;
  return fits ? std::optional(std::stoll(digits)) : std::nullopt;
}

std::string name_of(std::int64_t step) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return name.data();
}

bool is_complete(const fs::path& checkpoint) {
  return fs::exists(checkpoint / kDescription);
}

// The description goes first, so that a checkpoint that is half removed does not look complete.
void remove_checkpoint(const fs::path& checkpoint) {
  fs::remove(checkpoint / kDescription);
  fs::remove_all(checkpoint);
}

std::map<std::string, std::string> weights_metadata(const CfmUnetOptions& network, const FlowLossOptions& flow) {
  std::map<std::string, std::string> metadata{
      {"format", "pt"}, {"config", to_json_text(network)}, {"noising_step", std::to_string(flow.noising_step)}};
  if (flow.draws_noising_step()) {
    metadata["noising_step_max"] = std::to_string(*flow.noising_step_max);
  }
  return metadata;
}

// The tensors of one file, under their published names.
NamedTensors tensors_of(const NamedTensors& all, const std::string& file) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : all) {
    if (name.starts_with(file + ".")) {
      tensors.emplace_back(name.substr(file.size() + 1), tensor);
    }
  }
  return tensors;
}

void copy_tensors(const SafetensorsFile& file, const NamedTensors& targets) {
  const torch::NoGradGuard no_grad;
  if (file.entries().size() != targets.size()) {
    throw ModelError("'" + file.path().string() + "' holds " + std::to_string(file.entries().size()) +
                     " tensors; the network has " + std::to_string(targets.size()));
  }
  for (const auto& [name, target] : targets) {
    const torch::Tensor stored = file.tensor(name);
    if (stored.sizes() != target.sizes() || stored.scalar_type() != target.scalar_type()) {
      throw ModelError(c10::str("'", file.path().string(), "': ", name, " is ", stored.scalar_type(), " ",
                                stored.sizes(), "; the network needs ", target.scalar_type(), " ", target.sizes()));
    }
    torch::Tensor destination = target;
    destination.copy_(stored);
  }
}

JsonReader read_description(const fs::path& checkpoint) {
  const fs::path file = checkpoint / kDescription;
  std::string text;
  try {
    text = read_text_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
  const JsonReader description = JsonReader::parse(text, file.string());
  if (description.get<std::string>("format") != kFormat) {
    throw ModelError("'" + file.string() + "' does not describe a checkpoint");
  }
  if (const int version = description.get<int>("version"); version > kVersion) {
    throw ModelError("'" + file.string() + "' has version " + std::to_string(version) +
                     "; this program reads up to version " + std::to_string(kVersion) + ", use a newer fmboost");
  }
  return description;
}

// A checkpoint of another network or another flow cannot be continued; other changes may be intended.
void compare_options(const fs::path& checkpoint, const json& before, const json& now) {
  for (const auto& [section, value] : now.items()) {
    const auto differences = json_differences({{section, before.value(section, json())}}, {{section, value}});
    if (differences.empty() || section == "steps") {
      continue;
    }
    if (section == "network" || section == "flow") {
      throw UsageError("the checkpoint '" + checkpoint.string() +
                       "' cannot be continued with these options: " + differences.front());
    }
    for (const auto& difference : differences) {
      log_warning("the options differ from those of '" + checkpoint.filename().string() + "': " + difference);
    }
  }
}

}  // namespace

void write_cfm_weights(const fs::path& file, const CfmUnetImpl& network, const FlowLossOptions& flow) {
  NamedTensors tensors;
  for (const auto& item : network.named_parameters()) {
    tensors.emplace_back(item.key(), item.value());
  }
  write_safetensors(file, tensors, weights_metadata(network.options(), flow));
}

CheckpointFolder::CheckpointFolder(fs::path folder, int keep) : folder_(std::move(folder)), keep_(keep) {
  if (keep < 1) {
    throw UsageError("`keep_checkpoints` must be at least 1, got " + std::to_string(keep));
  }
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw Error("cannot create the folder '" + folder_.string() + "': " + error.message());
  }
}

fs::path CheckpointFolder::path_of(std::int64_t step) const {
  return folder_ / name_of(step);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> steps;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto step = parse_step(entry.path().filename().string());
    if (step && is_complete(entry.path())) {
      steps.push_back(*step);
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void CheckpointFolder::save(const TrainingState& state, const RunPosition& position) {
  try {
    if (!is_complete(path_of(position.step))) {
      fs::remove_all(path_of(position.step));
    }
    AtomicFolder checkpoint(path_of(position.step), kDescription, /*replace=*/true);
    const NamedTensors tensors = state.tensors();
    const auto metadata = weights_metadata(state.options().network, state.options().flow);
    for (const std::string file : kTensorFiles) {
      write_safetensors(checkpoint.path() / (file + ".safetensors"), tensors_of(tensors, file), metadata);
    }
    const json description = {{"format", kFormat},
                              {"version", kVersion},
                              {"step", position.step},
                              {"samples", position.samples},
                              {"ema_updates", position.ema_updates},
                              {"dataset_size", position.dataset_size},
                              {"options", to_json(state.options())}};
    write_file_atomically(checkpoint.path() / kDescription, as_bytes(description.dump(1)));
    checkpoint.commit();
  } catch (const std::exception& error) {
    throw Error("the checkpoint of step " + std::to_string(position.step) + " was not written: " + error.what());
  }
  prune();
}

RunPosition CheckpointFolder::load(std::int64_t step, TrainingState& state) const {
  const fs::path checkpoint = path_of(step);
  if (!fs::exists(checkpoint)) {
    std::string available;
    for (const auto other : steps()) {
      available += (available.empty() ? "" : ", ") + std::to_string(other);
    }
    throw UsageError("there is no checkpoint of step " + std::to_string(step) + " in '" + folder_.string() +
                     "'; available: " + (available.empty() ? "none" : available));
  }
  const JsonReader description = read_description(checkpoint);
  compare_options(checkpoint, description.object("options").value(), to_json(state.options()));
  const RunPosition position{.step = description.get<std::int64_t>("step"),
                             .samples = description.get<std::int64_t>("samples"),
                             .ema_updates = description.get<std::int64_t>("ema_updates"),
                             .dataset_size = description.get<std::int64_t>("dataset_size")};
  const NamedTensors tensors = state.tensors();
  for (const std::string file : kTensorFiles) {
    copy_tensors(SafetensorsFile(checkpoint / (file + ".safetensors")), tensors_of(tensors, file));
  }
  state.set_progress(position.step, position.ema_updates);
  return position;
}

RunPosition CheckpointFolder::load_newest(TrainingState& state) const {
  auto all = steps();
  for (; !all.empty(); all.pop_back()) {
    try {
      return load(all.back(), state);
    } catch (const ModelError& error) {
      log_warning(std::string(error.what()) + "; using an older checkpoint");
    }
  }
  throw Error("there is no intact checkpoint to resume from in '" + folder_.string() + "'");
}

void CheckpointFolder::mark_best(const BestCheckpoint& best) {
  const json text = {{"step", best.step}, {"psnr", best.psnr}};
  write_file_atomically(folder_ / "best.json", as_bytes(text.dump()));
  prune();
}

std::optional<BestCheckpoint> CheckpointFolder::best() const {
  const fs::path file = folder_ / "best.json";
  if (!fs::exists(file)) {
    return std::nullopt;
  }
  try {
    const JsonReader reader = JsonReader::parse(read_text_file(file), file.string());
    return BestCheckpoint{.step = reader.get<std::int64_t>("step"), .psnr = reader.get<double>("psnr")};
  } catch (const ModelError& error) {
    log_warning(std::string(error.what()) + "; the file is ignored");
    return std::nullopt;
  }
}

void CheckpointFolder::remove_after(std::int64_t step) {
  for (const auto other : steps()) {
    if (other > step) {
      remove_checkpoint(path_of(other));
    }
  }
  if (const auto found = best(); found && found->step > step) {
    fs::remove(folder_ / "best.json");
  }
}

void CheckpointFolder::remove_leftovers() const {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".step-") || (parse_step(name) && !is_complete(entry.path()))) {
      leftovers.push_back(entry.path());
    }
  }
  for (const auto& path : leftovers) {
    fs::remove_all(path);
  }
}

void CheckpointFolder::prune() const {
  auto all = steps();
  const auto best_one = best();
  all.resize(all.size() - std::min(all.size(), static_cast<std::size_t>(keep_)));
  for (const auto step : all) {
    if (!best_one || best_one->step != step) {
      remove_checkpoint(path_of(step));
    }
  }
}

}  // namespace fmboost
