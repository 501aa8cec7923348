#include "reference.h"

#include <charconv>

#include "fmboost/core/error.h"

namespace fmboost::parity {

torch::Tensor Reference::expected(const std::string& tensor) {
  used_.insert(tensor);
  return file_.tensor(tensor);
}

void Reference::mark_used(const std::string& prefix) {
  for (const auto& [name, entry] : file_.entries()) {
    if (name.starts_with(prefix)) {
      used_.insert(name);
    }
  }
}

std::optional<std::string> Reference::metadata(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  return found == file_.metadata().end() ? std::nullopt : std::optional(found->second);
}

double Reference::number(const std::string& key) const {
  const auto text = metadata(key);
  if (!text) {
    throw Error("its metadata lacks '" + key + "'");
  }
  double value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, problem] = std::from_chars(text->data(), end, value);
  if (problem != std::errc() || stop != end) {
    throw Error("its metadata '" + key + "' must be a number, not '" + *text + "'");
  }
  return value;
}

std::vector<std::string> Reference::unused() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : file_.entries()) {
    if (!used_.contains(name)) {
      names.push_back(name);
    }
  }
  return names;
}

int parse_count(const std::string& text, const std::string& what) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc() || stop != end || value < 0) {
    throw Error(what + " must be a whole number, not '" + text + "'");
  }
  return value;
}

}  // namespace fmboost::parity
