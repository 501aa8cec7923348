#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "fmboost/core/error.h"

#include "cli/common_options.h"
#include "cli/option_groups.h"
#include "commands/command.h"
#include "output/contact_sheet.h"
#include "output/result_reporter.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;

struct SheetFlags {
  RunOptions run;
  OutputOptions output;
  std::string folder;
  std::string journal;
};

int write_sheet(const SheetFlags& flags) {
  configure_verbosity(flags.run);
  const fs::path folder = flags.folder;
  const fs::path journal = flags.journal.empty() ? folder / ".fmboost" / "journal.jsonl" : fs::path(flags.journal);
  const fs::path file = flags.output.output.empty() ? folder / "sheet.png" : fs::path(flags.output.output);
  std::error_code error;
  if (!fs::is_regular_file(journal, error)) {
    throw UsageError("'" + flags.folder + "' has no journal '" + journal.string() +
                     "'; `generate` and `upscale` keep one if -o names a folder");
  }
  check_output(file, flags.output);
  write_contact_sheet(done_lines(journal), folder, file, flags.output.force);
  std::cout << file.string() << std::endl;
  return 0;
}

}  // namespace

std::function<int()> add_sheet(CLI::App& app) {
  auto flags = std::make_shared<SheetFlags>();
  app.add_option("folder", flags->folder, "Output folder of a batch")->required()->type_name("DIR");
  app.add_option("--journal", flags->journal, "The batch's journal (default: .fmboost/journal.jsonl in the folder)")
      ->type_name("FILE")
      ->group(kOutputGroup);
  app.add_option("-o,--output", flags->output.output, "File (default: sheet.png in the folder)")
      ->type_name("FILE")
      ->group(kOutputGroup);
  app.add_flag("--force", flags->output.force, "Overwrite an existing file")->group(kOutputGroup);
  add_verbosity_options(app, flags->run);
  return [flags] { return write_sheet(*flags); };
}

}  // namespace fmboost::tool
