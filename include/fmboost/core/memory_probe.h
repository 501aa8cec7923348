#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <torch/types.h>

namespace fmboost {

/// Runs `work` on this thread and returns the most bytes of tensor memory on `device` that it held at one time, beyond
/// what was there before. What libraries allocate past PyTorch's allocators is not seen.
std::int64_t peak_tensor_memory(torch::Device device, const std::function<void()>& work);

/// From now on, pieces of at least `piece` bytes go back to the system when they are freed, and so does what lies free
/// at the heap's end once that is `end` bytes. The rest is kept for what is allocated next, which is quicker but leaves
/// holes between what lives longer. Does nothing where the C library is not glibc.
void return_freed_memory(std::int64_t piece, std::int64_t end);

/// True for what this program, LibTorch and the standard library throw when memory runs out.
bool is_out_of_memory(const std::exception& error);

/// "1.2 GiB"
std::string format_bytes(std::int64_t bytes);

}  // namespace fmboost
