#include <algorithm>
#include <set>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "import/imported_model.h"
#include "import/ldm_names.h"
#include "io/json_reader.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kLargestConfig = std::size_t{16} << 20;

std::string read_text(const fs::path& file) {
  try {
    return read_text_file(file, kLargestConfig);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

json read_json(const fs::path& file) {
  return JsonReader::parse(read_text(file), file.string()).value();
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Of "model.safetensors" and variants such as "model.fp16.safetensors": the plain one, else half precision, else any
// that is not for training only. `end` distinguishes a weight file from an index of several.
std::string choose_file(const std::vector<std::string>& names, const std::string& end) {
  for (const char* stem : {"diffusion_pytorch_model", "model"}) {
    for (const char* variant : {"", ".fp16"}) {
      if (const std::string name = stem + std::string(variant) + end;
          std::find(names.begin(), names.end(), name) != names.end()) {
        return name;
      }
    }
    for (const auto& name : names) {
      const bool variant = name.starts_with(std::string(stem) + ".") && name.ends_with(end);
      if (variant && name.find("non_ema") == std::string::npos && name.find("-of-") == std::string::npos) {
        return name;
      }
    }
  }
  return "";
}

// All tensors of the files in an index.
Weights open_shards(const fs::path& index) {
  const json map = read_json(index).value("weight_map", json::object());
  std::set<std::string> files;
  for (const auto& [tensor, file] : map.items()) {
    files.insert(file.is_string() ? fs::path(file.get<std::string>()).filename().string() : "");
  }
  Weights all;
  for (const auto& file : files) {
    Weights some = open_weights(index.parent_path() / file).tensors;
    all.merge(some);
    if (!some.empty()) {
      throw ModelError("'" + (index.parent_path() / file).string() + "' contains '" + some.begin()->first +
                       "', which is also in another file of the index");
    }
  }
  for (const auto& [tensor, file] : map.items()) {
    if (!all.contains(tensor)) {
      throw ModelError("'" + index.string() + "' lists the tensor '" + tensor + "', which is in none of the files");
    }
  }
  return all;
}

// The tensors of a component folder, and the file they are from.
std::pair<Weights, fs::path> open_folder(const fs::path& folder) {
  const auto names = names_in(folder);
  if (const std::string name = choose_file(names, ".safetensors"); !name.empty()) {
    return {open_weights(folder / name).tensors, folder / name};
  }
  for (const char* end : {".safetensors.index.json", ".safetensors.index.fp16.json"}) {
    if (const std::string name = choose_file(names, end); !name.empty()) {
      return {open_shards(folder / name), folder / name};
    }
  }
  for (const auto& name : names) {
    if (name.ends_with(".bin")) {
      check_weight_file(folder / name);
      return {open_weights(folder / name).tensors, folder / name};
    }
  }
  throw ModelError("'" + folder.string() +
                   "' contains no weights: expected diffusion_pytorch_model.safetensors or model.safetensors");
}

void refuse_other_pipelines(const fs::path& folder) {
  const fs::path index = folder / "model_index.json";
  if (!fs::exists(index)) {
    return;
  }
  const std::string kind = read_json(index).value("_class_name", json("")).dump();
  for (const char* other : {"XL", "StableDiffusion3", "Flux", "Inpaint", "ControlNet", "Upscale", "InstructPix2Pix",
                            "Depth2Img", "Cascade", "Kandinsky", "PixArt"}) {
    if (kind.find(other) != std::string::npos) {
      throw ModelError("'" + folder.string() + "' contains a " + kind + ", but Stable Diffusion 1 or 2 is needed" +
                       (std::string(other) == "XL" ? std::string("; ") + kMissingForXl : ""));
    }
  }
}

fs::path require(const fs::path& folder, const fs::path& file) {
  if (!fs::exists(folder / file)) {
    throw ModelError("'" + folder.string() + "' is incomplete: it has no " + file.string() +
                     "; a diffusers folder has unet, vae, text_encoder, tokenizer and scheduler");
  }
  return folder / file;
}

// Folders that are not used here.
void note_other_folders(const fs::path& folder, ImportedModel& model) {
  static const std::set<std::string> kUsed = {"unet", "vae", "text_encoder", "tokenizer", "scheduler"};
  UnusedTensors others{"components that are not used", {}};
  for (const auto& name : names_in(folder)) {
    if (fs::is_directory(folder / name) && !kUsed.contains(name) && !name.starts_with('.')) {
      others.names.push_back(name + "/");
    }
  }
  if (!others.names.empty()) {
    model.unused.push_back(others);
  }
}

// By its UNet alone: the families differ in it.
Recognition recognize_unet(const ImportedComponent& unet) {
  TensorShapes shapes = shapes_of(unet.weights, "unet.");
  shapes.emplace("text_encoder.", std::vector<std::int64_t>());
  return detect_weights(shapes);
}

// The side in latent pixels of the training images.
std::int64_t native_latent_pixels(const json& config) {
  const json size = config.value("sample_size", json(64));
  if (size.is_array() && !size.empty() && size.front().is_number_integer()) {
    return size.front().get<std::int64_t>();
  }
  return size.is_number_integer() ? size.get<std::int64_t>() : 64;
}

}  // namespace

ImportedComponent load_component_folder(const fs::path& folder) {
  json config = read_json(require(folder, "config.json"));
  auto [weights, file] = open_folder(folder);
  apply_fp8_scales(weights);
  const std::string kind = config.value("_class_name", json("")).dump();
  if (kind.find("Autoencoder") != std::string::npos) {
    return make_autoencoder(std::move(weights), file.string(), std::move(config));
  }
  return {file.string(), std::move(weights), std::move(config)};
}

ImportedModel load_diffusers_folder(const fs::path& folder) {
  refuse_other_pipelines(folder);
  for (const char* component : {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}) {
    require(folder, component);
  }
  ImportedModel model;
  model.name = fs::canonical(folder).filename().string();
  model.unet = load_component_folder(folder / "unet");
  const Recognition found = recognize_unet(model.unet);
  refuse_other_families(folder, found);
  model.what = found.what;
  model.autoencoder = load_component_folder(folder / "vae");
  model.text_encoder = load_component_folder(folder / "text_encoder");
  model.text_encoder.weights = to_transformers_text(std::move(model.text_encoder.weights));
  take_unused_text(model);
  drop_foreign_settings(model.unet.config, (folder / "unet/config.json").string(), model.notices);
  drop_foreign_settings(model.autoencoder.config, (folder / "vae/config.json").string(), model.notices);
  model.tokenizer = read_tokenizer_folder(folder / "tokenizer");
  const fs::path scheduler = require(folder, "scheduler/scheduler_config.json");
  model.scheduler = read_text(scheduler);
  model.scheduler_origin = scheduler.string();
  model.native_latent_pixels = native_latent_pixels(model.unet.config);
  note_other_folders(folder, model);
  return model;
}

}  // namespace fmboost
