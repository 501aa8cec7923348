#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fmboost/io/safetensors.h"

namespace fmboost::parity {

/// A .safetensors file of reference numbers. It remembers which tensors were asked for, so that none is overlooked.
class Reference {
 public:
  explicit Reference(const std::filesystem::path& path) : file_(path) {}

  const SafetensorsFile& file() const { return file_; }
  std::string stem() const { return file_.path().stem().string(); }
  bool contains(const std::string& tensor) const { return file_.contains(tensor); }

  /// What a computation starts from, in float32. Throws ModelError when there is no such tensor.
  torch::Tensor input(const std::string& tensor) { return expected(tensor).to(torch::kFloat32); }
  /// What it must give, as stored. Throws as input() does.
  torch::Tensor expected(const std::string& tensor);
  /// Marks tensors that somebody else reads.
  void mark_used(const std::string& prefix);

  std::optional<std::string> metadata(const std::string& key) const;
  /// Throws Error when the key is missing or no number.
  double number(const std::string& key) const;

  /// Names of the tensors that nobody has asked for yet.
  std::vector<std::string> unused() const;

 private:
  SafetensorsFile file_;
  std::set<std::string> used_;
};

/// A whole number written in digits alone. Throws Error naming `what` otherwise.
int parse_count(const std::string& text, const std::string& what);

}  // namespace fmboost::parity
