#include "fmboost/data/shard_info.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "fmboost-latents";
constexpr int kVersion = 1;
constexpr std::size_t kLargest = std::size_t{64} << 20;

json to_json(const ShardSetInfo& info) {
  return {{"format", kFormat},
          {"version", kVersion},
          {"bundle", {{"name", info.bundle_name}, {"hash", info.bundle_hash}}},
          {"autoencoder",
           {{"hash", info.autoencoder_hash},
            {"factor", info.factor},
            {"latent_channels", info.latent_channels},
            {"scale", info.scale},
            {"shift", info.shift}}},
          {"upsampling", info.upsampling},
          {"low", info.low},
          {"high", info.high},
          {"downsampling", info.downsampling},
          {"crop", info.crop},
          {"crops", info.crops},
          {"flip", info.flip},
          {"fit", info.fit},
          {"seed", info.seed},
          {"stored_dtype", info.stored_dtype},
          {"dtype", info.dtype},
          {"jpeg_quality", info.jpeg_quality},
          {"images", info.images},
          {"images_hash", info.images_hash},
          {"images_per_shard", info.images_per_shard},
          {"shards", info.shards}};
}

ShardSetInfo from_json(const json& value) {
  ShardSetInfo info;
  const json& bundle = value.at("bundle");
  bundle.at("name").get_to(info.bundle_name);
  bundle.at("hash").get_to(info.bundle_hash);
  const json& autoencoder = value.at("autoencoder");
  autoencoder.at("hash").get_to(info.autoencoder_hash);
  autoencoder.at("factor").get_to(info.factor);
  autoencoder.at("latent_channels").get_to(info.latent_channels);
  autoencoder.at("scale").get_to(info.scale);
  autoencoder.at("shift").get_to(info.shift);
  value.at("upsampling").get_to(info.upsampling);
  value.at("low").get_to(info.low);
  value.at("high").get_to(info.high);
  value.at("downsampling").get_to(info.downsampling);
  value.at("crop").get_to(info.crop);
  value.at("crops").get_to(info.crops);
  value.at("flip").get_to(info.flip);
  value.at("fit").get_to(info.fit);
  value.at("seed").get_to(info.seed);
  value.at("stored_dtype").get_to(info.stored_dtype);
  value.at("dtype").get_to(info.dtype);
  value.at("jpeg_quality").get_to(info.jpeg_quality);
  value.at("images").get_to(info.images);
  value.at("images_hash").get_to(info.images_hash);
  value.at("images_per_shard").get_to(info.images_per_shard);
  value.at("shards").get_to(info.shards);
  return info;
}

// Runs `read` on the file's JSON; what the library throws becomes an error that names the file.
template <typename Read>
auto read_json(const fs::path& file, const char* what, const Read& read) {
  try {
    return read(json::parse(read_text_file(file, kLargest)));
  } catch (const json::exception& error) {
    throw Error("'" + file.string() + "' is not " + what + ", or it is damaged: " + error.what());
  }
}

std::string differences(const json& before, const json& now) {
  const json old_values = before.flatten();
  const json new_values = now.flatten();
  std::string text;
  for (const auto& [key, value] : new_values.items()) {
    const json old_value = old_values.value(key, json());
    if (old_value != value) {
      std::string name = key.substr(1);
      std::replace(name.begin(), name.end(), '/', '.');
      text += (text.empty() ? "" : ", ") + name + " was " + old_value.dump() + " and is " + value.dump();
    }
  }
  return text;
}

fs::path record_file(const fs::path& folder, const std::string& shard) {
  return folder / fs::path(shard).replace_extension(".json");
}

void write_json(const fs::path& file, const json& value) {
  // File names need not be UTF-8.
  write_file_atomically(file, as_bytes(value.dump(1, ' ', false, json::error_handler_t::replace) + "\n"));
}

}  // namespace

std::string latent_space_hash(const AutoencoderEntry& autoencoder) {
  return autoencoder.encoder.sha256;
}

std::optional<ShardSetInfo> read_shard_set(const fs::path& folder) {
  const fs::path file = folder / "dataset.json";
  if (!fs::exists(file)) {
    return std::nullopt;
  }
  return read_json(file, "a description of latents that fmboost wrote", [&](const json& value) {
    if (value.at("format") != kFormat) {
      throw Error("'" + file.string() + "' is not a description of latents that fmboost wrote");
    }
    if (value.at("version") != kVersion) {
      throw Error("'" + file.string() + "' has version " + value.at("version").dump() + " and this fmboost reads " +
                  std::to_string(kVersion) + ": a newer fmboost wrote it");
    }
    return std::optional(from_json(value));
  });
}

void write_or_match_shard_set(const fs::path& folder, const ShardSetInfo& info) {
  if (const auto found = read_shard_set(folder)) {
    const std::string text = differences(to_json(*found), to_json(info));
    if (!text.empty()) {
      throw Error("'" + folder.string() + "' holds shards that were made with other settings: " + text +
                  "; use another folder, or delete that one");
    }
    return;
  }
  write_json(folder / "dataset.json", to_json(info));
}

std::string shard_name(std::int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "shard-%06lld.tar", static_cast<long long>(number));
  return name;
}

std::optional<ShardRecord> read_shard_record(const fs::path& folder, const std::string& shard) {
  const fs::path file = record_file(folder, shard);
  if (!fs::exists(file)) {
    return std::nullopt;
  }
  const ShardRecord record = read_json(file, "a shard's record", [&](const json& value) {
    ShardRecord read;
    read.file = shard;
    value.at("samples").get_to(read.samples);
    value.at("bytes").get_to(read.bytes);
    for (const auto& failure : value.at("failures")) {
      read.failures.push_back({failure.at("file").get<std::string>(), failure.at("reason").get<std::string>()});
    }
    return read;
  });
  std::error_code error;
  const auto size = fs::file_size(folder / shard, error);
  const bool done = record.samples == 0 || (!error && static_cast<std::int64_t>(size) == record.bytes);
  return done ? std::optional(record) : std::nullopt;
}

void write_shard_record(const fs::path& folder, const ShardRecord& record) {
  json failures = json::array();
  for (const auto& failure : record.failures) {
    failures.push_back({{"file", failure.file}, {"reason", failure.reason}});
  }
  write_json(record_file(folder, record.file),
             {{"samples", record.samples}, {"bytes", record.bytes}, {"failures", failures}});
}

}  // namespace fmboost
