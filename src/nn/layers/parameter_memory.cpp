#include "nn/layers/parameter_memory.h"

#include <utility>
#include <vector>

namespace fmboost {
namespace {

thread_local ParameterMemory current_memory = ParameterMemory::usual;

}  // namespace

ParameterMemoryGuard::ParameterMemoryGuard(ParameterMemory memory)
    : before_(std::exchange(current_memory, memory)) {}

ParameterMemoryGuard::~ParameterMemoryGuard() {
  current_memory = before_;
}

ParameterMemory parameter_memory() {
  return current_memory;
}

torch::Tensor shape_only(at::IntArrayRef sizes) {
  return at::empty_strided(sizes, std::vector<std::int64_t>(sizes.size(), 0), torch::kFloat32);
}

}  // namespace fmboost
