#include "train/log/metric_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

std::string existing_text(const fs::path& file) {
  return fs::exists(file) ? read_text_file(file) : std::string();
}

// The shortest digits that give the same number again.
std::string format_number(double number) {
  std::array<char, 32> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), result.ptr};
}

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  for (std::size_t comma = line.find(','); comma != std::string_view::npos; comma = line.find(',', begin)) {
    fields.emplace_back(line.substr(begin, comma - begin));
    begin = comma + 1;
  }
  fields.emplace_back(line.substr(begin));
  return fields;
}

// Whole lines of a text one by one; a last one without its end is left out.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  std::optional<std::string_view> next() {
    begin_ = end_;
    const std::size_t newline = text_.find('\n', begin_);
    if (newline == std::string_view::npos) {
      return std::nullopt;
    }
    end_ = newline + 1;
    return text_.substr(begin_, newline - begin_);
  }
  std::int64_t begin() const { return static_cast<std::int64_t>(begin_); }
  std::int64_t end() const { return static_cast<std::int64_t>(end_); }

 private:
  std::string_view text_;
  std::size_t begin_ = 0;  // of the present line
  std::size_t end_ = 0;    // behind it
};

[[noreturn]] void foreign(const fs::path& file) {
  throw Error("'" + file.string() + "' is not a file of metrics that a training run wrote; move it away");
}

std::int64_t step_of(const std::string& field, const fs::path& file) {
  std::int64_t step = 0;
  const char* end = field.data() + field.size();
  if (std::from_chars(field.data(), end, step).ptr != end || field.empty()) {
    foreign(file);
  }
  return step;
}

nlohmann::ordered_json parse_row(std::string_view line, const fs::path& file) {
  auto row = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!row.is_object() || !row.contains("step") || !row["step"].is_number_integer()) {
    foreign(file);
  }
  return row;
}

}  // namespace

CsvMetrics::CsvMetrics(fs::path file, std::int64_t last_step) {
  const std::string text = existing_text(file);
  Lines lines(text);
  if (const auto header = lines.next()) {
    columns_ = split(*header);
    if (columns_.front() != "step") {
      foreign(file);
    }
    columns_.erase(columns_.begin());
  }
  std::int64_t size = lines.end();
  std::int64_t last_record = size;
  while (const auto line = lines.next()) {
    const auto fields = split(*line);
    const std::int64_t step = step_of(fields.front(), file);
    if (step > last_step || fields.size() != columns_.size() + 1) {
      break;
    }
    last_step_ = step;
    last_row_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      last_row_[columns_[i]] = fields[i + 1];
    }
    last_record = lines.begin();
    size = lines.end();
  }
  file_ = std::make_unique<AppendFile>(std::move(file), size, last_record);
}

void CsvMetrics::add(std::int64_t step, const Metrics& metrics) {
  const bool same_row = step == last_step_;
  if (!same_row) {
    last_row_.clear();
  }
  if (add_columns(metrics)) {
    rewrite();
  }
  for (const auto& [name, number] : metrics) {
    last_row_[name] = format_number(number);
  }
  last_step_ = step;
  same_row ? file_->replace_last(format()) : file_->append(format());
}

bool CsvMetrics::add_columns(const Metrics& metrics) {
  const std::size_t before = columns_.size();
  for (const auto& item : metrics) {
    if (std::find(columns_.begin(), columns_.end(), item.first) == columns_.end()) {
      columns_.push_back(item.first);
    }
  }
  return columns_.size() > before || file_->size() == 0;
}

// With the present columns; earlier rows have nothing in the new ones.
void CsvMetrics::rewrite() {
  std::string text = "step";
  for (const auto& column : columns_) {
    text += "," + column;
  }
  text += "\n";
  auto last_record = static_cast<std::int64_t>(text.size());
  const std::string old = read_text_file(file_->path());
  Lines lines(old);
  const auto old_header = lines.next();
  const std::size_t old_columns = old_header ? split(*old_header).size() : 0;
  while (const auto line = lines.next()) {
    last_record = static_cast<std::int64_t>(text.size());
    text.append(*line);
    text.append(columns_.size() + 1 - old_columns, ',');
    text += "\n";
  }
  const fs::path file = file_->path();
  write_file_atomically(file, as_bytes(text));
  file_ = std::make_unique<AppendFile>(file, static_cast<std::int64_t>(text.size()), last_record);
}

std::string CsvMetrics::format() const {
  std::string line = std::to_string(last_step_);
  for (const auto& column : columns_) {
    const auto field = last_row_.find(column);
    line += ",";
    line += field == last_row_.end() ? "" : field->second;
  }
  return line + "\n";
}

JsonLinesMetrics::JsonLinesMetrics(fs::path file, std::int64_t last_step) {
  const std::string text = existing_text(file);
  Lines lines(text);
  std::int64_t size = 0;
  std::int64_t last_record = 0;
  while (const auto line = lines.next()) {
    auto row = parse_row(*line, file);
    if (row["step"].get<std::int64_t>() > last_step) {
      break;
    }
    last_row_ = std::move(row);
    last_record = lines.begin();
    size = lines.end();
  }
  file_ = std::make_unique<AppendFile>(std::move(file), size, last_record);
}

void JsonLinesMetrics::add(std::int64_t step, const Metrics& metrics) {
  const bool same_row = last_row_.is_object() && last_row_["step"] == step;
  if (!same_row) {
    last_row_ = {{"step", step}};
  }
  for (const auto& [name, number] : metrics) {
    last_row_[name] = number;  // written as null where it is not finite
  }
  const std::string line = last_row_.dump() + "\n";
  same_row ? file_->replace_last(line) : file_->append(line);
}

}  // namespace fmboost
