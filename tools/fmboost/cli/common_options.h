#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "fmboost/core/placement.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/upscale_chain.h"

namespace fmboost::tool {

/// What every command that runs a model takes.
struct RunOptions {
  std::string model;  ///< empty: the default one
  std::string device = "auto";
  std::string dtype = "auto";
  int threads = 0;  ///< 0: LibTorch's own choice
  bool verbose = false;
  bool quiet = false;
  bool json = false;
};

void add_run_options(CLI::App& app, RunOptions& options);
/// -v and -q alone, for commands that run no model.
void add_verbosity_options(CLI::App& app, RunOptions& options);
/// Sets up logging and threads. Throws UsageError for what is out of range.
void apply(const RunOptions& options);

/// Opens the named or default bundle in the placement asked for, and says so with -v.
std::shared_ptr<ModelComponents> open_model(const std::string& folder, const RunOptions& options);
/// The same of the bundle that upscales for it.
std::shared_ptr<ModelComponents> open_upscaler(const std::string& folder, const RunOptions& options);
/// The folder that was named, the bundle made of a checkpoint that was named, or the default one.
std::filesystem::path model_folder(const std::string& named);

/// Where results go and what may be overwritten.
struct OutputOptions {
  std::string output;
  bool force = false;
  bool skip_existing = false;
  int quality = 95;
};

void add_output_options(CLI::App& app, OutputOptions& options, const std::string& output_help);

/// The flow's options as text where they are parsed later.
struct FlowFlags {
  FlowOptions flow;
  std::string coupling;
  std::string diffusion;
  std::string tile = "auto";
  TileOptions tiles;
};

void add_flow_options(CLI::App& app, FlowFlags& flags);
/// Reads the texts into the options. Throws UsageError.
void finish(FlowFlags& flags);

}  // namespace fmboost::tool
