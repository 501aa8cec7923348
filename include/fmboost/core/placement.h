#pragma once

#include <string>
#include <torch/types.h>

namespace fmboost {

/// The device of a network and the floating-point type that it computes in.
struct Placement {
  torch::Device device = torch::kCPU;
  torch::ScalarType dtype = torch::kFloat32;
};

/// Resolves the settings `device` and `dtype`.
///
/// device: "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N".
/// dtype: "auto", "float32", "bfloat16" or "float16". "auto" follows a fixed rule rather than a measurement, so that
/// results are reproducible: bfloat16 on CUDA and on CPUs with avx512_bf16 or AMX-BF16, else float32.
/// Throws UsageError for unknown names and Error (exit code 1) for a missing GPU.
Placement resolve_placement(const std::string& device, const std::string& dtype);

/// "cuda:0 bfloat16"
std::string to_string(const Placement& placement);
std::string dtype_name(torch::ScalarType dtype);
/// The inverse of dtype_name for float32, bfloat16 and float16; throws UsageError otherwise.
torch::ScalarType parse_dtype(const std::string& name);

/// True if the CPU has instructions for bfloat16 matrix products (avx512_bf16 or AMX-BF16).
bool cpu_has_fast_bfloat16();

/// Available memory in bytes: MemAvailable within the limits of the control group, or free GPU memory.
std::int64_t available_memory(torch::Device device);

/// Peak resident memory of this process so far, in bytes.
std::int64_t peak_resident_memory();

}  // namespace fmboost
