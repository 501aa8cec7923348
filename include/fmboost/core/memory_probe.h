#pragma once

#include <cstdint>
#include <functional>
#include <torch/types.h>

namespace fmboost {

/// Runs `work` on this thread and returns the most bytes of tensor memory on `device` that it held at one time, beyond
/// what was there before. What libraries allocate past PyTorch's allocators is not seen.
std::int64_t peak_tensor_memory(torch::Device device, const std::function<void()>& work);

/// "1.2 GiB"
std::string format_bytes(std::int64_t bytes);

}  // namespace fmboost
