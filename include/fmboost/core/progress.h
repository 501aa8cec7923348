#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace fmboost {

/// Receives the pipeline's progress: the name of a stage, the steps done and the total. Called on the caller's thread
/// between steps.
using ProgressCallback = std::function<void(const std::string& stage, std::int64_t done, std::int64_t total)>;

}  // namespace fmboost
