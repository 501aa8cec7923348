#pragma once

#include <set>
#include <string>
#include <torch/csrc/jit/ir/ir.h>

namespace fmboost {

/// The operators of an inlined graph, including nested blocks, that are not tensor arithmetic.
std::set<std::string> refused_operators(const torch::jit::Graph& graph);

}  // namespace fmboost
