#include "train/checkpoint.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/io/files.h"

#include "nn/cfm/cfm_unet.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr const char* kFormat = "fmboost-checkpoint";
constexpr const char* kDescription = "checkpoint.json";
constexpr std::array kParts{"model", "ema", "exp_avg", "exp_avg_sq"};
constexpr std::string_view kReplaced = ".old-";  // whole: it comes back when its successor did not arrive
constexpr std::string_view kDropped = ".gone-";  // perhaps no longer whole

bool starts_with(const std::string& name, std::string_view prefix) {
  return name.rfind(prefix, 0) == 0;
}

// The step of "step-00001000", nothing for other names.
std::optional<std::int64_t> parse_step(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  const std::string digits = name.substr(std::min(name.size(), kPrefix.size()));
  const bool fits = starts_with(name, kPrefix) && digits.size() >= 8 && digits.size() < 19 &&
                    digits.find_first_not_of("0123456789") == std::string::npos;
  return fits ? std::optional(std::stoll(digits)) : std::nullopt;
}

std::string name_of(std::int64_t step) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return name.data();
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const std::string reason = std::strerror(errno);
  if (fd >= 0) {
    ::close(fd);
  }
  if (!synced) {
    throw Error("cannot write the checkpoint '" + folder.string() + "': " + reason);
  }
}

void rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw Error("cannot write the checkpoint '" + to.string() + "': " + error.message());
  }
}

// It is not whole any more as soon as it begins to go, so it must not keep its name.
void drop(const fs::path& checkpoint) {
  const fs::path gone = checkpoint.parent_path() / (std::string(kDropped) + checkpoint.filename().string());
  rename_folder(checkpoint, gone);
  fs::remove_all(gone);
}

std::map<std::string, std::string> weights_metadata(const CfmUnetOptions& network, const FlowLossOptions& flow) {
  std::map<std::string, std::string> metadata{
      {"format", "pt"}, {"config", to_json_text(network)}, {"noising_step", std::to_string(flow.noising_step)}};
  if (flow.draws_noising_step()) {
    metadata["noising_step_max"] = std::to_string(*flow.noising_step_max);
  }
  return metadata;
}

// The part's tensors under their published names.
NamedTensors tensors_of(const NamedTensors& state, const std::string& part) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : state) {
    if (starts_with(name, part + ".")) {
      tensors.emplace_back(name.substr(part.size() + 1), tensor);
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

json read_description(const fs::path& checkpoint) {
  const fs::path file = checkpoint / kDescription;
  std::string text;
  try {
    text = read_text_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
  const json description = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto has_number = [&](const char* key) {
    return description.contains(key) && description[key].is_number_integer();
  };
  if (!description.is_object() || description.value("format", json()) != kFormat || !has_number("version") ||
      !has_number("step") || !has_number("samples") || !has_number("ema_updates") || !has_number("dataset_size") ||
      !description.contains("options")) {
    throw ModelError("'" + file.string() + "' is not a checkpoint's description");
  }
  if (description["version"].get<int>() > kVersion) {
    throw ModelError("'" + file.string() + "' has version " + description["version"].dump() +
                     ", this program reads up to " + std::to_string(kVersion) + "; a newer fmboost reads it");
  }
  return description;
}

// "optimizer.lr was 0.001 and is 0.002" of every value that differs.
std::vector<std::string> differences(const json& before, const json& now, const std::string& prefix = "") {
  std::vector<std::string> lines;
  for (const auto& [key, value] : now.items()) {
    const json old = before.is_object() ? before.value(key, json()) : json();
    if (value.is_object()) {
      const auto nested = differences(old, value, prefix + key + ".");
      lines.insert(lines.end(), nested.begin(), nested.end());
    } else if (value != old) {
      lines.push_back(prefix + key + " was " + old.dump() + " and is " + value.dump());
    }
  }
  return lines;
}

// Weights of another network, or trained for another flow, cannot go on; other changes can be meant.
void compare_options(const fs::path& checkpoint, json before, const json& now) {
  json& flow = before["flow"];
  if (flow.is_object() && !flow.contains("noising_step_max")) {
    flow["noising_step_max"] = flow["noising_step"];  // of a version that knew no range of steps
  }
  if (flow.is_object() && !flow.contains("noising_share")) {
    flow["noising_share"] = 1.0;  // of a version that drew every pair's step
  }
  if (flow.is_object() && !flow.contains("objective")) {
    flow["objective"] = objective_name(Objective::velocity);  // of a version that knew no other
    flow["rollout_steps"] = now["flow"]["rollout_steps"];
  }
  if (flow.is_object() && !flow.contains("noiseless_loss")) {
    flow["noiseless_loss"] = noiseless_loss_name(NoiselessLoss::mse);  // of a version that knew no other
  }
  for (const auto& line : differences(before, now)) {
    if (starts_with(line, "network.") || starts_with(line, "flow.")) {
      throw UsageError("the checkpoint '" + checkpoint.string() + "' cannot go on with these options: " + line);
    }
    if (!starts_with(line, "steps ")) {
      log_warning("other options than when '" + checkpoint.filename().string() + "' was written: " + line);
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
    throw UsageError("at least 1 checkpoint must be kept, not " + std::to_string(keep));
  }
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw Error("cannot make the folder '" + folder_.string() + "': " + error.message());
  }
}

fs::path CheckpointFolder::path_of(std::int64_t step) const {
  return folder_ / name_of(step);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> steps;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto step = parse_step(entry.path().filename().string());
    if (step && entry.is_directory()) {
      steps.push_back(*step);
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void CheckpointFolder::save(const TrainingState& state, const RunPosition& position) {
  const fs::path target = path_of(position.step);
  const fs::path temporary = folder_ / ("." + name_of(position.step) + ".tmp-" + std::to_string(::getpid()));
  try {
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    const NamedTensors tensors = state.state();
    const auto metadata = weights_metadata(state.options().network, state.options().flow);
    for (const std::string part : kParts) {
      write_safetensors(temporary / (part + ".safetensors"), tensors_of(tensors, part), metadata);
    }
    const json description = {{"format", kFormat},
                              {"version", kVersion},
                              {"step", position.step},
                              {"samples", position.samples},
                              {"ema_updates", position.ema_updates},
                              {"dataset_size", position.dataset_size},
                              {"options", to_json(state.options())}};
    write_file_atomically(temporary / kDescription, as_bytes(description.dump(1)));
    sync_folder(temporary);
    const fs::path old = folder_ / (std::string(kReplaced) + name_of(position.step));
    if (fs::exists(target)) {
      rename_folder(target, old);
    }
    rename_folder(temporary, target);
    sync_folder(folder_);
    fs::remove_all(old);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw Error("the checkpoint of step " + std::to_string(position.step) + " was not written: " + error.what());
  }
  prune();
}

RunPosition CheckpointFolder::load(std::int64_t step, TrainingState& state) const {
  const fs::path checkpoint = path_of(step);
  if (!fs::exists(checkpoint)) {
    std::string known;
    for (const auto other : steps()) {
      known += (known.empty() ? "" : ", ") + std::to_string(other);
    }
    throw UsageError("there is no checkpoint of step " + std::to_string(step) + " in '" + folder_.string() +
                     "'; there are: " + (known.empty() ? "none" : known));
  }
  const json description = read_description(checkpoint);
  compare_options(checkpoint, description["options"], to_json(state.options()));
  const NamedTensors tensors = state.state();
  for (const std::string part : kParts) {
    copy_tensors(SafetensorsFile(checkpoint / (part + ".safetensors")), tensors_of(tensors, part));
  }
  const RunPosition position{.step = description["step"].get<std::int64_t>(),
                             .samples = description["samples"].get<std::int64_t>(),
                             .ema_updates = description["ema_updates"].get<std::int64_t>(),
                             .dataset_size = description["dataset_size"].get<std::int64_t>()};
  state.set_progress(position.step, position.ema_updates);
  return position;
}

RunPosition CheckpointFolder::load_newest(TrainingState& state) const {
  auto all = steps();
  for (; !all.empty(); all.pop_back()) {
    try {
      return load(all.back(), state);
    } catch (const ModelError& error) {
      log_warning(std::string(error.what()) + "; an older checkpoint is taken");
    }
  }
  throw Error("there is no sound checkpoint to go on from in '" + folder_.string() + "'");
}

void CheckpointFolder::mark_best(const BestCheckpoint& best) {
  const json text = {{"step", best.step}, {"psnr", best.psnr}};
  write_file_atomically(folder_ / "best.json", as_bytes(text.dump()));
  prune();
}

std::optional<BestCheckpoint> CheckpointFolder::best() const {
  if (!fs::exists(folder_ / "best.json")) {
    return std::nullopt;
  }
  const json text = json::parse(read_text_file(folder_ / "best.json"), nullptr, /*allow_exceptions=*/false);
  if (!text.is_object() || !text.contains("step") || !text["step"].is_number_integer() || !text.contains("psnr") ||
      !text["psnr"].is_number()) {
    log_warning("'" + (folder_ / "best.json").string() + "' is damaged and is not used");
    return std::nullopt;
  }
  return BestCheckpoint{text["step"].get<std::int64_t>(), text["psnr"].get<double>()};
}

void CheckpointFolder::remove_after(std::int64_t step) {
  for (const auto other : steps()) {
    if (other > step) {
      drop(path_of(other));
    }
  }
  if (const auto found = best(); found && found->step > step) {
    fs::remove(folder_ / "best.json");
  }
}

void CheckpointFolder::remove_leftovers() const {
  std::vector<fs::path> hidden;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (starts_with(entry.path().filename().string(), ".")) {
      hidden.push_back(entry.path());
    }
  }
  for (const auto& path : hidden) {
    const std::string name = path.filename().string();
    if (starts_with(name, kReplaced) && !fs::exists(folder_ / name.substr(kReplaced.size()))) {
      rename_folder(path, folder_ / name.substr(kReplaced.size()));
    } else if (starts_with(name, kReplaced) || starts_with(name, kDropped) || starts_with(name, ".step-")) {
      fs::remove_all(path);
    }
  }
}

void CheckpointFolder::prune() const {
  auto all = steps();
  const auto best_one = best();
  all.resize(all.size() - std::min(all.size(), static_cast<std::size_t>(keep_)));
  for (const auto step : all) {
    if (!best_one || best_one->step != step) {
      drop(path_of(step));
    }
  }
}

}  // namespace fmboost
