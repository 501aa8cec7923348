#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <torch/script.h>
#include <vector>

#include "fmboost/core/placement.h"

namespace fmboost {

/// A TorchScript program that computes and does nothing else.
class TorchScriptProgram {
 public:
  /// Loads the file and refuses it (ModelError) when it is not TorchScript, would run code while being loaded, takes
  /// another number of inputs than `inputs`, or holds an operator that is not on the list of tensor arithmetic: a
  /// program could otherwise read and write files. Then casts it to the placement's dtype and moves it to its device.
  TorchScriptProgram(const std::filesystem::path& file, std::size_t inputs, const Placement& placement);

  /// Runs it without gradients, one tensor out. Floating-point inputs are moved and cast, except those that
  /// `keep_float32` lists by position; integer inputs are moved. The result is float32 on the program's device.
  /// Throws ModelError with the program's file when it fails or returns something else, MemoryError when memory ran
  /// out.
  torch::Tensor run(const std::vector<torch::Tensor>& inputs, std::initializer_list<std::size_t> keep_float32 = {});

  /// Runs it on zeros-like inputs once and compares the result's shape. Throws ModelError with what was expected.
  void probe(const std::vector<torch::Tensor>& inputs, at::IntArrayRef expected,
             std::initializer_list<std::size_t> keep_float32 = {});

  const Placement& placement() const { return placement_; }

 private:
  std::filesystem::path file_;
  Placement placement_;
  torch::jit::Module module_;
};

/// The checks that TorchScriptProgram makes before anything is run, alone. Throws ModelError.
void check_torchscript(const std::filesystem::path& file, std::size_t inputs);

}  // namespace fmboost
