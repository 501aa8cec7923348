#include "batch/journal_options.h"

#include "fmboost/core/error.h"

#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

bool names_folder(const std::string& output) {
  std::error_code error;
  return !output.empty() && (output.back() == '/' || fs::is_directory(output, error));
}

}  // namespace

void add_journal_options(CLI::App& app, JournalOptions& options) {
  auto* file = app.add_option("--journal", options.file,
                              "Append a JSON line per image to this file (default: .fmboost/journal.jsonl in the "
                              "folder that -o names)")
                   ->type_name("FILE")
                   ->group(kOutputGroup);
  auto* disabled =
      app.add_flag("--no-journal", options.disabled, "Keep no journal")->excludes(file)->group(kOutputGroup);
  auto* resume = app.add_flag("--resume", options.resume,
                              "Continue the batch of the journal: make only images that are missing, failed or damaged")
                     ->excludes(disabled)
                     ->excludes("--skip-existing")
                     ->group(kOutputGroup);
  app.add_flag("--retry-failed", options.retry_failed, "Make only the images that failed, according to the journal")
      ->excludes(disabled)
      ->excludes(resume)
      ->excludes("--skip-existing")
      ->group(kOutputGroup);
  app.add_option("--sheet", options.sheet, "Draw a contact sheet of the batch: prompts or names, seeds, seconds")
      ->type_name("FILE")
      ->group(kOutputGroup);
}

fs::path journal_file(const JournalOptions& options, const OutputOptions& output) {
  if (options.disabled) {
    return {};
  }
  if (!options.file.empty()) {
    return options.file;
  }
  if (names_folder(output.output)) {
    return fs::path(output.output) / ".fmboost" / "journal.jsonl";
  }
  if (options.resume || options.retry_failed) {
    throw UsageError("there is no journal to continue: name the output folder with -o, or the journal with --journal");
  }
  return {};
}

fs::path journal_base(const JournalOptions& options, const OutputOptions& output) {
  if (names_folder(output.output)) {
    return output.output;
  }
  const fs::path file = options.file;
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

}  // namespace fmboost::tool
