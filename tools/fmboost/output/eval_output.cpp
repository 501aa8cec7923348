#include <iostream>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/io/files.h"

#include "commands/eval_modes.h"

namespace fmboost::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<ImageSource> images_of_folder(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw UsageError("'" + folder + "' " + (fs::exists(folder) ? "is not a folder" : "does not exist") +
                     "; a folder of images was expected");
  }
  return collect_sources({folder});
}

torch::Tensor read_pixels(const fs::path& file) {
  return decode_image(read_file(file), file.string()).pixels;
}

EvalOutput::EvalOutput(const EvalFlags& flags, const std::string& mode, std::size_t images)
    : flags_(flags), mode_(mode), bar_(images, flags.run.quiet), results_(images, flags.run, bar_) {}

void EvalOutput::measured(json fields) {
  bar_.image_done();
  fields["error"] = nullptr;
  if (flags_.run.json) {
    bar_.clear();
    std::cout << json_text(fields, -1) << std::flush;
  }
  images_.push_back(std::move(fields));
}

void EvalOutput::failed(const fs::path& file, const std::exception& error) {
  ++failures_;
  results_.failed("'" + file.string() + "'", error, {{"input", file.string()}});
  images_.push_back({{"input", file.string()}, {"error", message_of(error)}});
}

int EvalOutput::finish(const std::string& markdown, json summary) {
  bar_.clear();
  summary["mode"] = mode_;
  summary["failed"] = failures_;
  if (flags_.run.json) {
    std::cout << json_text({{"summary", summary}}, -1) << std::flush;
  } else {
    std::cout << markdown << std::flush;
  }
  if (!flags_.output.output.empty()) {
    const fs::path file = flags_.output.output;
    const std::string text =
        file.extension() == ".md" ? markdown : json_text({{"images", images_}, {"summary", summary}}, 2);
    write_file_atomically(file, as_bytes(text), flags_.output.force);
  }
  return results_.exit_code();
}

}  // namespace fmboost::tool
