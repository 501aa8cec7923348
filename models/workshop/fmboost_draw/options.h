#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "fmboost_draw/kinds.h"

namespace fmboost::draw_tool {

struct Options {
  Request request;
  std::int64_t count = 1;
  std::uint64_t seed = 100000;  ///< the first that is not held out for validation
  int threads = 0;              ///< 0: one per core
  std::string folder;           ///< of the PNG files
  std::string raw;              ///< "-": raw bytes on stdout
  std::string captions;         ///< a file for them, beside --raw
};

void add_options(CLI::App& app, const Kind& kind, Options& options);

/// Fills in defaults that depend on other options. Throws UsageError for inconsistent options.
void complete(const Kind& kind, Options& options);

}  // namespace fmboost::draw_tool
