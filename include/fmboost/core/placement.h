#pragma once

#include <string>
#include <torch/types.h>

namespace fmboost {

/// Where a network lives and in which floating-point type it computes.
struct Placement {
  torch::Device device = torch::kCPU;
  torch::ScalarType dtype = torch::kFloat32;
};

/// Resolves what the user asked for.
///
/// device: "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N".
/// dtype: "auto", "float32", "bfloat16" or "float16". "auto" is a fixed rule and never a measurement, so that results
/// repeat: bfloat16 on CUDA and on CPUs with avx512_bf16 or AMX-BF16, else float32.
/// Throws UsageError for unknown names and Error (exit 1) for a GPU that is not there.
Placement resolve_placement(const std::string& device, const std::string& dtype);

/// "cuda:0 bfloat16"
std::string to_string(const Placement& placement);
std::string dtype_name(torch::ScalarType dtype);
/// The inverse of dtype_name for float32, bfloat16 and float16; throws UsageError otherwise.
torch::ScalarType parse_dtype(const std::string& name);

/// True where bfloat16 matrix products have instructions of their own (avx512_bf16 or AMX-BF16).
bool cpu_has_fast_bfloat16();

/// Memory that can still be used, in bytes: MemAvailable within the control group's limit, or free GPU memory.
std::int64_t available_memory(torch::Device device);

/// Peak resident memory of this process so far, in bytes.
std::int64_t peak_resident_memory();

}  // namespace fmboost
