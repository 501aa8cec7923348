#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <torch/types.h>

namespace fmboost {

/// Runs `work` on this thread and returns the peak of the tensor memory that it allocates on `device`, in bytes. Memory
/// that libraries allocate without PyTorch's allocators is not counted.
std::int64_t peak_tensor_memory(torch::Device device, const std::function<void()>& work);

/// From now on, freed blocks of at least `block` bytes are returned to the operating system, and so is the free end of
/// the heap once it reaches `heap_end` bytes. Smaller blocks stay in the heap, which is faster but fragments it. Does
/// nothing with a C library other than glibc.
void return_freed_memory(std::int64_t block, std::int64_t heap_end);

/// True for the exceptions that this program, LibTorch and the standard library throw when memory runs out.
bool is_out_of_memory(const std::exception& error);

/// "1.2 GiB"
std::string format_bytes(std::int64_t bytes);

}  // namespace fmboost
