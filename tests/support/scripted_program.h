#pragma once

#include <filesystem>
#include <string>
#include <torch/script.h>
#include <vector>

namespace fmboost::test {

/// A TorchScript module whose methods are `source` (Python, "def forward(self, x): ..."). It has a float32 parameter
/// `one`, so that programs can follow the dtype that they are cast to, and is saved as it was while training.
torch::jit::Module scripted_module(const std::vector<std::string>& methods);

/// The same, saved as a file.
void save_program(const std::filesystem::path& file, const std::vector<std::string>& methods);

}  // namespace fmboost::test
