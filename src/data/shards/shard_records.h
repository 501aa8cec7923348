#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "fmboost/data/shard_info.h"
#include "fmboost/model/manifest.h"

namespace fmboost {

/// Identifies the latents of an autoencoder: the SHA-256 of its encoder's file. Decoder, scale and shift do not matter,
/// since the stored latents are those that the encoder returns.
std::string latent_space_hash(const AutoencoderEntry& autoencoder);

/// Reads the dataset.json of a folder; none if the file does not exist. Throws Error for a damaged or newer one.
std::optional<ShardSetInfo> read_shard_set(const std::filesystem::path& folder);

/// Writes it or, if it exists, checks that it is the same. Throws Error naming the settings that differ.
void write_or_match_shard_set(const std::filesystem::path& folder, const ShardSetInfo& info);

/// "shard-000012.tar"
std::string shard_name(std::int64_t number);

/// The record of a shard; none if the shard is not complete: no record, or an archive that is missing or of another
/// size. Throws Error for a damaged record.
std::optional<ShardRecord> read_shard_record(const std::filesystem::path& folder, const std::string& shard);
void write_shard_record(const std::filesystem::path& folder, const ShardRecord& record);

}  // namespace fmboost
