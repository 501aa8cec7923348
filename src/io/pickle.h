#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <torch/types.h>
#include <utility>
#include <variant>
#include <vector>

namespace fmboost {

/// A storage that a pickled tensor lies in: a record of the archive, or of a legacy file.
struct PickledStorage {
  std::string key;  ///< names the record
  torch::ScalarType dtype = torch::kFloat32;
  std::int64_t elements = 0;
};

/// A tensor as a pickle describes it, not read yet.
struct PickledTensor {
  PickledStorage storage;
  std::int64_t offset = 0;  ///< first element within the storage
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

/// Everything else that a state dict holds: numbers, counters of optimizers. Ignored.
struct PickledOther {};

/// A list or tuple of nothing but texts.
using PickledTexts = std::vector<std::string>;

struct PickledDict;
using PickledValue = std::variant<PickledOther, std::string, PickledTexts, PickledTensor, const PickledDict*>;

/// Entries with text keys in file order; other keys are ignored.
struct PickledDict {
  std::vector<std::pair<std::string, PickledValue>> entries;
};

/// Interprets the pickle of a PyTorch state dict (protocols 2 to 5) without running anything in it: the opcodes that
/// torch.save writes for dicts, lists, tuples, texts and numbers, and a fixed list of globals (OrderedDict, the
/// rebuilding of tensors and parameters, storages, dtypes; NumPy's scalars and Lightning's callbacks, whose values are
/// ignored). Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
class Pickle {
 public:
  /// Throws ModelError that names `origin` and the opcode or global that is not accepted, or the damage.
  Pickle(std::span<const std::byte> bytes, const std::string& origin);
  ~Pickle();
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  /// The pickled object.
  const PickledValue& root() const { return root_; }
  /// Bytes of the pickle up to and including its STOP.
  std::size_t size() const { return size_; }

 private:
  struct Machine;
  std::vector<std::unique_ptr<PickledDict>> dicts_;
  PickledValue root_;
  std::size_t size_ = 0;
};

}  // namespace fmboost
