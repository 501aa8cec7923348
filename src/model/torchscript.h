#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <torch/script.h>
#include <vector>

#include "fmboost/core/placement.h"

namespace fmboost {

/// A TorchScript program that is restricted to tensor arithmetic.
class TorchScriptProgram {
 public:
  /// Loads the file, casts it to the dtype of the placement and moves it to its device. Throws ModelError if it is not
  /// TorchScript, would run code while loading, has another number of inputs than `inputs`, or contains an operator
  /// that is not in the list of tensor arithmetic: such a program could read and write files.
  TorchScriptProgram(const std::filesystem::path& file, std::size_t inputs, const Placement& placement);

  /// Runs it without gradients and returns its tensor as float32 on the device of the program. Floating-point inputs
  /// are moved and cast, except those at the positions in `keep_float32`; integer inputs are moved. Throws ModelError
  /// naming the file if it fails or returns something else, and MemoryError when out of memory.
  torch::Tensor run(const std::vector<torch::Tensor>& inputs, std::initializer_list<std::size_t> keep_float32 = {});

  /// Runs it once on the given inputs and checks the shape of the result. Throws ModelError with the expected shape.
  void probe(const std::vector<torch::Tensor>& inputs, at::IntArrayRef expected,
             std::initializer_list<std::size_t> keep_float32 = {});

  const Placement& placement() const { return placement_; }

 private:
  std::filesystem::path file_;
  Placement placement_;
  torch::jit::Module module_;
};

/// The checks of TorchScriptProgram only, without running anything. Throws ModelError.
void check_torchscript(const std::filesystem::path& file, std::size_t inputs);

}  // namespace fmboost
