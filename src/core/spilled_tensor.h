#pragma once

#include <cstdint>
#include <filesystem>
#include <torch/types.h>

namespace fmboost {

/// The folder of the files that large tensors are kept in: $TMPDIR, or /var/tmp, which unlike /tmp is on a disk.
std::filesystem::path spill_folder();

/// Free bytes in that folder.
std::int64_t spill_room();

/// An uninitialized CPU tensor in a file that is mapped into memory, for values that do not fit into memory. The file
/// has no name, so that it vanishes with the tensor or the process; its room on disk is reserved at once. Throws Error
/// naming the folder and what is missing.
torch::Tensor spilled_tensor(at::IntArrayRef sizes, torch::ScalarType dtype,
                             at::MemoryFormat format = at::MemoryFormat::Contiguous);

/// Whether the values, or those that they are a part of, are in such a file.
bool is_spilled(const torch::Tensor& tensor);

/// x as float32; in a file if x is.
torch::Tensor spilled_to_float32(const torch::Tensor& x);

/// Removes the pages of all spilled tensors from the memory of the process. The values stay in the files, whose cache
/// the kernel drops when memory is needed, and return when they are used.
void release_spilled_pages();

}  // namespace fmboost
