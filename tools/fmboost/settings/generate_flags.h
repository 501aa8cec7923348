#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "fmboost/pipeline/generate.h"

#include "batch/journal_options.h"
#include "cli/common_options.h"
#include "output/generation_metadata.h"

namespace fmboost::tool {

/// The command line of `generate`. The settings of its table are read into the request by resolve().
struct GenerateFlags {
  RunOptions run;
  OutputOptions output;
  JournalOptions journal;
  TileOptions tiles;
  GenerateRequest request;
  std::string prompts_file;
  std::string from;
  std::string upscaler;
  std::optional<std::int64_t> width;
  std::optional<std::int64_t> height;
  std::int64_t count = 1;
  std::int64_t batch_size = GenerateSettings{}.batch_size;
  bool example = false;
  std::string shard = "0/1";
  std::string intermediates_folder;
};

void add_generate_options(CLI::App& app, GenerateFlags& flags);

/// Makes the settings in an image's metadata the defaults.
void apply_metadata(const GenerationMetadata& metadata, GenerateFlags& flags);

/// Reads the options that `app` was given over those defaults, drawing a seed if a random one is requested. Throws
/// UsageError, also when there is no prompt.
void resolve(const CLI::App& app, GenerateFlags& flags);

}  // namespace fmboost::tool
