#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "cli/common_options.h"

namespace fmboost::tool {

/// Whether a batch keeps a journal, and how it continues an earlier one.
struct JournalOptions {
  std::string file;           ///< empty: `.fmboost/journal.jsonl` in the output folder, if -o names a folder
  bool disabled = false;      ///< no journal
  bool resume = false;        ///< make only what is missing, failed or damaged
  bool retry_failed = false;  ///< make only what failed
  std::string sheet;          ///< file of a contact sheet; empty for none
};

void add_journal_options(CLI::App& app, JournalOptions& options);

/// The journal's file; empty if there is none. Throws UsageError if the options need one.
std::filesystem::path journal_file(const JournalOptions& options, const OutputOptions& output);
/// The folder that the names of outputs in the journal are relative to.
std::filesystem::path journal_base(const JournalOptions& options, const OutputOptions& output);

}  // namespace fmboost::tool
