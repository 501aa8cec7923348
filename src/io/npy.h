#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// What a .npy file says of its data. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NpyHeader {
  torch::ScalarType dtype = torch::kFloat32;  ///< float16 or float32
  std::vector<std::int64_t> shape;
  bool fortran_order = false;   ///< column-major
  std::size_t data_offset = 0;  ///< bytes from the start of the file
};

/// Parses and checks versions 1 to 3: little-endian float16 or float32, at most 8 dimensions, and data of exactly the
/// size of the shape. `name` appears in messages. Throws Error.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& name);

/// The array as a new contiguous tensor, dtype as stored. Throws Error as above.
torch::Tensor read_npy(std::span<const std::byte> bytes, const std::string& name);

/// The same as float32, converted directly from `bytes` if they are aligned.
torch::Tensor read_npy_float(std::span<const std::byte> bytes, const std::string& name);

/// The bytes that numpy.save writes for a float16 or float32 tensor (version 1.0). Throws UsageError for other dtypes.
std::vector<std::byte> write_npy(const torch::Tensor& tensor);

}  // namespace fmboost
