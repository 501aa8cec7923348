#include "import/stored_sampling.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "fmboost/io/files.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestYaml = std::size_t{1} << 20;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The word after "key:" on a line, in block or flow style, with or without quotes; empty if there is none.
std::string value_on(const std::string& line, const std::string& key) {
  for (auto at = line.find(key); at != std::string::npos; at = line.find(key, at + 1)) {
    if (at > 0 && is_word(line[at - 1])) {
      continue;
    }
    auto next = line.find_first_not_of("\"' \t", at + key.size());
    if (next == std::string::npos || line[next] != ':') {
      continue;
    }
    next = line.find_first_not_of("\"' \t", next + 1);
    if (next != std::string::npos) {
      const auto end = std::find_if_not(line.begin() + static_cast<std::ptrdiff_t>(next), line.end(), is_word);
      return {line.begin() + static_cast<std::ptrdiff_t>(next), end};
    }
  }
  return "";
}

bool is_true(const std::string& value) {
  const std::string word = lower(value);
  return word == "true" || word == "1" || word == "yes";
}

std::string prediction_named(const std::string& value) {
  const std::string word = lower(value);
  return word.empty() ? "" : word.starts_with("v") ? "v_prediction" : "epsilon";
}

std::string metadata_value(const WeightFile& file, const char* key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

StoredSampling stored_in(const WeightFile& file) {
  StoredSampling stored;
  stored.prediction = prediction_named(metadata_value(file, "modelspec.prediction_type"));
  if (stored.prediction.empty() &&
      (file.tensors.contains("v_pred") || is_true(metadata_value(file, "ss_v_parameterization")))) {
    stored.prediction = "v_prediction";
  }
  stored.zero_snr = file.tensors.contains("ztsnr") || is_true(metadata_value(file, "ss_zero_terminal_snr"));
  return stored;
}

}  // namespace

StoredSampling parse_sampling_yaml(const std::string& text) {
  StoredSampling stored;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = line.substr(0, line.find('#'));
    if (const auto value = value_on(line, "parameterization"); !value.empty()) {
      stored.prediction = prediction_named(value);
    }
    for (const char* key : {"zero_terminal_snr", "rescale_betas_zero_snr", "zsnr", "ztsnr"}) {
      stored.zero_snr = stored.zero_snr || is_true(value_on(line, key));
    }
  }
  return stored;
}

StoredSampling stored_sampling(const fs::path& file, const WeightFile& content) {
  StoredSampling stored = stored_in(content);
  for (const char* suffix : {".yaml", ".yml"}) {
    fs::path beside = file;
    beside.replace_extension(suffix);
    std::error_code error;
    if (!fs::is_regular_file(beside, error)) {
      continue;
    }
    const StoredSampling said = parse_sampling_yaml(read_text_file(beside, kLargestYaml));
    if (stored.prediction.empty() && !said.prediction.empty()) {
      stored.prediction = said.prediction;
      stored.notice = "'" + beside.string() + "' says that the model predicts " +
                      (said.prediction == "epsilon" ? "noise (epsilon)" : "v") + " (use `prediction` to overrule)";
    }
    stored.zero_snr = stored.zero_snr || said.zero_snr;
    break;
  }
  return stored;
}

}  // namespace fmboost
