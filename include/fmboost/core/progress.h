#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace fmboost {

/// Told of progress by the pipeline: a stage's name, steps done and steps in all. Called on the caller's thread,
/// between steps.
using ProgressCallback = std::function<void(const std::string& stage, std::int64_t done, std::int64_t total)>;

}  // namespace fmboost
