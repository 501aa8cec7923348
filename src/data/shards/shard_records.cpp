#include "data/shards/shard_records.h"

#include <cstdio>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "data/shards/json_differences.h"
#include "io/json_reader.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "fmboost-latents";
constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

json to_json(const DegradationOptions& degradation) {
  return {{"share", degradation.share},
          {"max_blur", degradation.max_blur},
          {"max_noise", degradation.max_noise},
          {"min_quality", degradation.min_quality},
          {"max_quality", degradation.max_quality}};
}

DegradationOptions read_degradation(const JsonReader& reader) {
  return {.share = reader.get<double>("share"),
          .max_blur = reader.get<double>("max_blur"),
          .max_noise = reader.get<double>("max_noise"),
          .min_quality = reader.get<int>("min_quality"),
          .max_quality = reader.get<int>("max_quality")};
}

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
          {"degradation", to_json(info.degradation)},
          {"stored_dtype", info.stored_dtype},
          {"dtype", info.dtype},
          {"jpeg_quality", info.jpeg_quality},
          {"images", info.images},
          {"images_hash", info.images_hash},
          {"targets_hash", info.targets_hash},
          {"images_per_shard", info.images_per_shard},
          {"shards", info.shards}};
}

ShardSetInfo read_info(const JsonReader& reader) {
  const JsonReader bundle = reader.object("bundle");
  const JsonReader autoencoder = reader.object("autoencoder");
  return {.bundle_name = bundle.get<std::string>("name"),
          .bundle_hash = bundle.get<std::string>("hash"),
          .autoencoder_hash = autoencoder.get<std::string>("hash"),
          .factor = autoencoder.get<std::int64_t>("factor"),
          .latent_channels = autoencoder.get<std::int64_t>("latent_channels"),
          .scale = autoencoder.get<double>("scale"),
          .shift = autoencoder.get<double>("shift"),
          .upsampling = reader.get<std::string>("upsampling"),
          .low = reader.get<std::int64_t>("low"),
          .high = reader.get<std::int64_t>("high"),
          .downsampling = reader.get<std::string>("downsampling"),
          .crop = reader.get<std::string>("crop"),
          .crops = reader.get<std::int64_t>("crops"),
          .flip = reader.get<bool>("flip"),
          .fit = reader.get<bool>("fit"),
          .seed = reader.get<std::uint64_t>("seed"),
          .degradation = read_degradation(reader.object("degradation")),
          .stored_dtype = reader.get<std::string>("stored_dtype"),
          .dtype = reader.get<std::string>("dtype"),
          .jpeg_quality = reader.get<int>("jpeg_quality"),
          .images = reader.get<std::int64_t>("images"),
          .images_hash = reader.get<std::string>("images_hash"),
          .targets_hash = reader.get<std::string>("targets_hash"),
          .images_per_shard = reader.get<std::int64_t>("images_per_shard"),
          .shards = reader.get<std::int64_t>("shards")};
}

// Calls `read` with the file's reader. A damaged file here is not a model's fault.
template <typename Read>
auto read_json(const fs::path& file, const Read& read) {
  try {
    return read(JsonReader::parse(read_text_file(file, kMaxBytes), file.string()));
  } catch (const ModelError& error) {
    throw Error(error.what());
  }
}

fs::path record_file(const fs::path& folder, const std::string& shard) {
  return folder / fs::path(shard).replace_extension(".json");
}

void write_json(const fs::path& file, const json& value) {
  // File names need not be UTF-8.
  write_file_atomically(file, as_bytes(value.dump(1, ' ', false, json::error_handler_t::replace) + "\n"));
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) {
    all += (all.empty() ? "" : ", ") + text;
  }
  return all;
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
  return read_json(file, [&](const JsonReader& reader) {
    if (reader.get<std::string>("format") != kFormat) {
      throw Error("'" + file.string() + "' was not written by fmboost encode");
    }
    if (const int version = reader.get<int>("version"); version != kVersion) {
      throw Error("'" + file.string() + "' has version " + std::to_string(version) + "; this fmboost reads version " +
                  std::to_string(kVersion) + ", use a newer fmboost");
    }
    return std::optional(read_info(reader));
  });
}

void write_or_match_shard_set(const fs::path& folder, const ShardSetInfo& info) {
  if (const auto found = read_shard_set(folder)) {
    const std::string differences = joined(json_differences(to_json(*found), to_json(info)));
    if (!differences.empty()) {
      throw Error("'" + folder.string() + "' holds shards that were made with other settings: " + differences +
                  "; use another folder, or delete this one");
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
  const ShardRecord record = read_json(file, [&](const JsonReader& reader) {
    ShardRecord read{.file = shard,
                     .samples = reader.get<std::int64_t>("samples"),
                     .bytes = reader.get<std::int64_t>("bytes"),
                     .failures = {}};
    for (const auto& failure : reader.objects("failures")) {
      read.failures.push_back({failure.get<std::string>("file"), failure.get<std::string>("reason")});
    }
    return read;
  });
  std::error_code error;
  const auto size = fs::file_size(folder / shard, error);
  const bool complete = record.samples == 0 || (!error && static_cast<std::int64_t>(size) == record.bytes);
  return complete ? std::optional(record) : std::nullopt;
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
