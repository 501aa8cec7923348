#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <torch/types.h>

#include "io/pickle.h"

namespace fmboost {

/// A file of torch.save (.pth, .pt, .ckpt, .bin) with a state dict, read without running anything in it (see Pickle):
/// the zip archives of PyTorch 1.6 and later, and the legacy files before. Nested dicts are flattened, with dots
/// between the keys: {"params": {"conv.weight": ...}} gives "params.conv.weight".
class TorchFile {
 public:
  /// Whether a file begins as one of torch.save does. False for files that cannot be read.
  static bool is_one(const std::filesystem::path& file);

  /// Throws ModelError that names the file and the damage, or the object that is not accepted.
  explicit TorchFile(const std::filesystem::path& file);

  const std::map<std::string, PickledTensor>& entries() const { return entries_; }

  /// Reads a tensor; it owns its memory. Throws ModelError if there is no such tensor or its data is missing.
  torch::Tensor tensor(const std::string& name) const;

 private:
  /// The bytes of a storage, uint8.
  using ReadStorage = std::function<torch::Tensor(const PickledStorage& storage)>;

  void open_archive();
  void open_legacy();
  void flatten(const PickledValue& value, const std::string& name, int depth);

  std::filesystem::path path_;
  std::map<std::string, PickledTensor> entries_;
  std::size_t visits_ = 0;
  ReadStorage read_storage_;
};

}  // namespace fmboost
