#include "output/eval_output.h"

#include <iostream>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"

#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFootnote =
    "\nPSNR in dB, MSE on the scale 0 to 255; ± is the half-width of the mean's 95 % confidence interval (Student's t "
    "over the images).\n";

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

void add_report_options(CLI::App& app, EvalReportOptions& options) {
  app.add_option("-o,--output", options.output.output, "Also write the report to this file (.md or .json)")
      ->type_name("FILE")
      ->group(kOutputGroup);
  app.add_flag("--force", options.output.force, "Overwrite an existing report")->group(kOutputGroup);
  app.add_flag("--json", options.run.json, "Print JSON on stdout instead of tables: one line per image, then a summary")
      ->group(kOutputGroup);
}

void check_report(const EvalReportOptions& options) {
  const fs::path file = options.output.output;
  if (file.empty()) {
    return;
  }
  if (file.extension() != ".md" && file.extension() != ".json") {
    throw UsageError("the name of a report must end in .md or .json, not '" + file.string() + "'");
  }
  check_output(file, options.output);
}

std::vector<InputImage> images_of_folder(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw UsageError("'" + folder + "' " + (fs::exists(folder) ? "is not a folder" : "does not exist") +
                     "; a folder of images is needed");
  }
  return collect_inputs({folder});
}

torch::Tensor read_pixels(const fs::path& file) {
  return decode_image(read_file(file), file.string()).pixels;
}

EvalOutput::EvalOutput(const EvalReportOptions& options, const std::string& mode, std::size_t images)
    : options_(options), mode_(mode), bar_(images, options.run.quiet), results_(images, options.run, bar_) {}

void EvalOutput::measured(json fields) {
  bar_.image_done();
  fields["error"] = nullptr;
  if (options_.run.json) {
    bar_.clear();
    std::cout << json_text(fields, -1) << std::flush;
  }
  images_.push_back(std::move(fields));
}

void EvalOutput::failed(const fs::path& file, const std::exception& error) {
  ++failures_;
  bar_.image_done();
  results_.failed("'" + file.string() + "'", describe(error), {{"input", file.string()}});
  images_.push_back({{"input", file.string()}, {"error", message_of(error)}});
}

int EvalOutput::finish(const std::string& markdown, json summary) {
  bar_.clear();
  summary["mode"] = mode_;
  summary["failed"] = failures_;
  if (options_.run.json) {
    std::cout << json_text({{"summary", summary}}, -1) << std::flush;
  } else {
    std::cout << markdown << std::flush;
  }
  if (!options_.output.output.empty()) {
    const fs::path file = options_.output.output;
    const std::string text =
        file.extension() == ".md" ? markdown : json_text({{"images", images_}, {"summary", summary}}, 2);
    write_file_atomically(file, as_bytes(text), options_.output.force);
  }
  return results_.exit_code();
}

int EvalOutput::finish(const QualityReport& report, const std::string& title, json summary) {
  const std::size_t images = report.images();
  summary["images"] = images;
  if (images == 0) {
    return finish("", std::move(summary));
  }
  summary["means"] = report.means();
  return finish(std::to_string(images) + (images == 1 ? " image" : " images") + title + "\n\n" + report.image_table() +
                    "\n" + report.mean_table() + kFootnote,
                std::move(summary));
}

}  // namespace fmboost::tool
