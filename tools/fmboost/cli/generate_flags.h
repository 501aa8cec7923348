#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "fmboost/pipeline/generate.h"

#include "cli/common_options.h"
#include "output/generation_metadata.h"

namespace fmboost::tool {

/// The command line of `generate`: its request, with texts and numbers that are read into it later.
struct GenerateFlags {
  RunOptions run;
  OutputOptions output;
  FlowFlags flow;
  GenerateRequest request;
  std::string prompts_file;
  std::string from;
  std::string upscaler;
  std::string long_prompt;  ///< empty: the request's
  std::string size;
  std::string base_size;
  std::optional<std::int64_t> width;
  std::optional<std::int64_t> height;
  std::optional<std::int64_t> seed;  ///< open: the request's
  std::int64_t count = 1;
  std::int64_t batch_size = GenerateSettings{}.batch_size;
  bool no_upscale = false;
  bool example = false;
  std::string shard = "0/1";
  std::string intermediates_folder;
};

void add_generate_options(CLI::App& app, GenerateFlags& flags);

/// Makes what an image's data say the defaults.
void use_recipe(const GenerationMetadata& metadata, GenerateFlags& flags);

/// Reads sizes, seed and flow into the request, drawing a seed where a random one is wanted. Throws UsageError.
void finish(GenerateFlags& flags);

}  // namespace fmboost::tool
