#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "fmboost/core/placement.h"
#include "fmboost/image/encode.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/upscale_chain.h"

#include "settings/settings.h"

namespace fmboost::tool {

/// Options of every command that runs a model.
struct RunOptions {
  std::string model;  ///< empty: the default one
  std::string device = "auto";
  std::string dtype = "auto";
  int threads = 0;  ///< 0: LibTorch's own choice
  bool verbose = false;
  bool quiet = false;
  bool json = false;
};

/// Device, dtype and threads.
const std::vector<Setting<RunOptions>>& run_settings();

void add_run_options(CLI::App& app, RunOptions& options);
/// -v and -q alone, for commands that run no model.
void add_verbosity_options(CLI::App& app, RunOptions& options);
/// Reads the run settings that `app` was given, and sets up logging and threads. Throws UsageError.
void configure_runtime(const CLI::App& app, RunOptions& options);
/// Sets up logging alone.
void configure_verbosity(const RunOptions& options);

/// Opens the named or default bundle on the requested device.
std::shared_ptr<ModelComponents> open_model(const std::string& folder, const RunOptions& options);
/// Opens the bundle that upscales for it: itself, or the one that its description names.
std::shared_ptr<ModelComponents> open_upscaler(const std::string& folder, const RunOptions& options);
/// The named folder, the bundle imported from the named checkpoint, or the default bundle.
std::filesystem::path model_folder(const std::string& named);

/// Where results go and what may be overwritten.
struct OutputOptions {
  std::string output;
  bool force = false;
  bool skip_existing = false;
  int quality = 95;
  int png_level = 3;
  BitDepth bit_depth = BitDepth::automatic;
};

/// The quality of lossy formats.
const std::vector<Setting<OutputOptions>>& quality_settings();

/// How lossless formats are written, which does not change pixels of 8 bits: the compression level and the bit depth.
const std::vector<Setting<OutputOptions>>& lossless_settings();

/// read_given() reads the quality and the lossless settings.
void add_output_options(CLI::App& app, OutputOptions& options, const std::string& output_help);

/// Settings of the flow and of tiling.
void add_upscaling_settings(CLI::App& app);
/// Reads those that `app` was given and checks all. Throws UsageError.
void read_upscaling_settings(const CLI::App& app, FlowOptions& flow, TileOptions& tiles);

}  // namespace fmboost::tool
