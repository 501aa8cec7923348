#include "fmboost/model/bundle.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "io/file_hash.h"
#include "io/shared_data.h"
#include "model/cfm_velocity.h"
#include "model/native_components.h"
#include "model/torchscript.h"
#include "model/torchscript_components.h"
#include "text/clip_tokenizer.h"
#include "text/word_tokenizer.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxManifest = std::size_t{16} << 20;

template <typename Entry>
const Entry& need(const std::optional<Entry>& entry, const fs::path& folder, const std::string& component) {
  if (!entry) {
    throw ModelError("the bundle '" + folder.string() + "' has no " + component +
                     "; `fmboost inspect` shows its components");
  }
  return *entry;
}

// A path that cannot be examined, such as one that is too long, does not exist.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Whether both exist and `path`, with all symbolic links resolved, is inside `folder`.
bool lies_inside(const fs::path& path, const fs::path& folder) {
  const fs::path real = fs::canonical(path);
  const fs::path root = fs::canonical(folder);
  return std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first == root.end();
}

std::string read_manifest(const fs::path& folder) {
  const fs::path file = folder / "bundle.json";
  if (!is_there(folder)) {
    throw ModelError("there is no model bundle at '" + folder.string() + "'");
  }
  if (!is_there(file)) {
    throw ModelError("'" + folder.string() + "' is not a model bundle: it has no bundle.json" +
                     (is_there(folder / "model_index.json") ? "; it looks like a diffusers folder: `fmboost import '" +
                                                                  folder.string() + "' -o BUNDLE` makes a bundle of it"
                                                            : ""));
  }
  try {
    return read_text_file(file, kMaxManifest);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

std::string line_for(const std::string& component, const std::string& file, std::int64_t bytes) {
  return component + " " + file + " (" + format_bytes(bytes) + ")";
}

// Logs the loading time of a component.
class LoadTime {
 public:
  explicit LoadTime(const char* component) : component_(component) {}
  LoadTime(const LoadTime&) = delete;
  LoadTime& operator=(const LoadTime&) = delete;
  ~LoadTime() {
    if (std::uncaught_exceptions() > 0) {
      return;
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    log_debug(std::string(component_) + " loaded in " + std::to_string(std::lround(passed.count() * 1000)) + " ms");
  }

 private:
  const char* component_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Bundle::Bundle(fs::path folder) : folder_(std::move(folder)) {
  const std::string text = read_manifest(folder_);
  manifest_ = parse_manifest(text, (folder_ / "bundle.json").string());
  hash_ = sha256(as_bytes(text));
}

fs::path Bundle::checked(const BundleFile& file, bool use_stamp) const {
  const fs::path path = folder_ / file.file;
  try {
    // A symbolic link could lead out of the folder even if the path does not.
    if (!lies_inside(path, folder_)) {
      throw ModelError("'" + path.string() + "' leads out of the bundle's folder");
    }
  } catch (const fs::filesystem_error& error) {
    throw ModelError("the bundle names '" + path.string() + "', which is missing: " + error.code().message());
  }
  check_file_hash(path, file.sha256, use_stamp);
  return path;
}

std::unique_ptr<Tokenizer> Bundle::load_tokenizer() const {
  const TokenizerEntry& entry = need(manifest_.tokenizer, folder_, "tokenizer");
  const auto max_length = static_cast<std::size_t>(entry.max_length);
  if (entry.type == TokenizerType::words) {
    return std::make_unique<WordTokenizer>(
        checked(entry.words), WordTokenizerOptions{.max_length = max_length, .pad = entry.pad, .null = entry.null});
  }
  return std::make_unique<ClipTokenizer>(
      checked(entry.vocab), checked(entry.merges),
      ClipTokenizerOptions{.max_length = max_length, .start = entry.start, .end = entry.end, .pad = entry.pad});
}

std::unique_ptr<TextEncoder> Bundle::load_text_encoder(const Placement& placement) const {
  const LoadTime time("text encoder");
  const TextEncoderEntry& entry = need(manifest_.text_encoder, folder_, "text encoder: it can only upscale");
  if (is_native(entry)) {
    return make_native_text_encoder(checked(entry.file), entry, placement);
  }
  return make_torchscript_text_encoder(checked(entry.file), entry, manifest_.tokenizer->max_length, placement);
}

std::unique_ptr<Denoiser> Bundle::load_denoiser(const Placement& placement) const {
  const LoadTime time("denoiser");
  const DenoiserEntry& entry = need(manifest_.denoiser, folder_, "denoiser: it can only upscale");
  if (is_native(entry)) {
    return make_native_denoiser(checked(entry.file), entry, placement);
  }
  return make_torchscript_denoiser(checked(entry.file), entry, manifest_.autoencoder->factor,
                                   manifest_.tokenizer->max_length, manifest_.text_encoder->width, placement);
}

std::unique_ptr<Autoencoder> Bundle::load_autoencoder(const Placement& placement) const {
  const LoadTime time("autoencoder");
  const AutoencoderEntry& entry = need(manifest_.autoencoder, folder_, "autoencoder");
  if (is_native(entry)) {
    return make_native_autoencoder(checked(entry.encoder), entry, placement);
  }
  return make_torchscript_autoencoder(checked(entry.encoder), checked(entry.decoder), entry, placement);
}

std::unique_ptr<PixelUpscaler> Bundle::load_pixel_upscaler(const Placement& placement) const {
  const LoadTime time("pixel upscaler");
  const PixelUpscalerEntry& entry = need(manifest_.pixel_upscaler, folder_, "pixel upscaler");
  return make_pixel_upscaler(checked(entry.weights), entry, placement);
}

std::unique_ptr<VelocityNetwork> Bundle::load_velocity(const CouplingEntry& coupling,
                                                       const Placement& placement) const {
  const LoadTime time("coupling network");
  return make_cfm_velocity(checked(coupling.weights), coupling, placement);
}

void Bundle::verify_networks(std::vector<std::string>& lines) const {
  const auto check_program = [&](const BundleFile& file, std::size_t inputs) {
    check_torchscript(checked(file), inputs);
    lines.push_back("operators and inputs of " + file.file);
  };
  const auto check_native = [&](const BundleFile& weights, const auto& entry) {
    check_native_weights(checked(weights), entry);
    lines.push_back("tensors of " + weights.file);
  };
  if (const auto& entry = manifest_.text_encoder; entry && is_native(*entry)) {
    check_native(entry->file, *entry);
  } else if (entry) {
    check_program(entry->file, kTextEncoderInputs);
  }
  if (const auto& entry = manifest_.denoiser; entry && is_native(*entry)) {
    check_native(entry->file, *entry);
  } else if (entry) {
    check_program(entry->file, denoiser_inputs(*entry));
  }
  if (const auto& entry = manifest_.autoencoder; entry && is_native(*entry)) {
    check_native(entry->encoder, *entry);
  } else if (entry) {
    check_program(entry->encoder, kAutoencoderInputs);
    check_program(entry->decoder, kAutoencoderInputs);
  }
  if (const auto& entry = manifest_.pixel_upscaler) {
    check_native(entry->weights, *entry);
  }
}

std::vector<std::string> Bundle::verify() const {
  std::vector<std::string> lines;
  for (const auto& file : manifest_.files()) {
    const fs::path path = checked(file, /*use_stamp=*/false);
    lines.push_back(line_for("hash of", file.file, static_cast<std::int64_t>(fs::file_size(path))));
  }
  if (manifest_.tokenizer) {
    load_tokenizer();
    lines.emplace_back("tokenizer " + enum_name(manifest_.tokenizer->type));
  }
  verify_networks(lines);
  for (const auto& coupling : manifest_.couplings) {
    check_cfm_weights(checked(coupling.weights), coupling);
    lines.push_back("tensors of " + coupling.weights.file + " for " + std::to_string(coupling.factor) + "x");
  }
  if (!manifest_.upscaler.empty()) {
    for (const auto& line : Bundle(upscaler_folder(folder_)).verify()) {
      lines.push_back(manifest_.upscaler + ": " + line);
    }
  }
  return lines;
}

fs::path upscaler_folder(const fs::path& folder) {
  const std::string inner = Bundle(folder).manifest().upscaler;
  if (inner.empty()) {
    return folder;
  }
  const Bundle upscaler(folder / inner);
  if (!lies_inside(upscaler.folder(), folder)) {
    throw ModelError("'" + upscaler.folder().string() + "' leads out of the bundle's folder");
  }
  if (!upscaler.manifest().upscaler.empty()) {
    throw ModelError("'" + upscaler.folder().string() + "' is the upscaler of '" + folder.string() +
                     "' and must not have an 'upscaler' itself");
  }
  return upscaler.folder();
}

bool is_own_upscaler(const Bundle& drawing, const Bundle& upscaling) {
  const bool inside = !upscaling.manifest().denoiser && !drawing.manifest().upscaler.empty();
  return fs::equivalent(upscaling.folder(), inside ? upscaler_folder(drawing.folder()) : drawing.folder());
}

fs::path default_model_folder() {
  if (const char* named = std::getenv("FMBOOST_MODEL"); named != nullptr && *named != '\0') {
    return named;
  }
  if (const auto manifest = find_shared_data("models/default/bundle.json")) {
    return manifest->parent_path();
  }
  throw ModelError("no model was given with `model` or FMBOOST_MODEL, and the default model was not found near '" +
                   executable_dir().string() + "'");
}

}  // namespace fmboost
