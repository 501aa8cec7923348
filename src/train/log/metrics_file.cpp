#include "train/log/metrics_file.h"

#include <string_view>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

nlohmann::ordered_json parse_line(std::string_view line, const fs::path& file) {
  auto object = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer()) {
    throw Error("'" + file.string() + "' was not written by a training run; move it elsewhere");
  }
  return object;
}

}  // namespace

MetricsFile::MetricsFile(fs::path file, std::int64_t last_step) {
  const std::string text = fs::exists(file) ? read_text_file(file) : std::string();
  std::size_t last_begin = 0;
  std::size_t kept = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', kept)) {
    auto line = parse_line(std::string_view(text).substr(kept, end - kept), file);
    if (line["step"].get<std::int64_t>() > last_step) {
      break;
    }
    last_line_ = std::move(line);
    last_begin = kept;
    kept = end + 1;
  }
  file_ = std::make_unique<AppendFile>(std::move(file), static_cast<std::int64_t>(kept),
                                       static_cast<std::int64_t>(last_begin));
}

void MetricsFile::add(std::int64_t step, const Metrics& metrics) {
  const bool same_line = last_line_.is_object() && last_line_["step"] == step;
  if (!same_line) {
    last_line_ = {{"step", step}};
  }
  for (const auto& [name, number] : metrics) {
    last_line_[name] = number;  // null if it is not finite
  }
  const std::string line = last_line_.dump() + "\n";
  same_line ? file_->replace_last(line) : file_->append(line);
}

}  // namespace fmboost
