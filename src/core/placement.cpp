#include "fmboost/core/placement.h"

#include <algorithm>
#include <c10/core/CachingDeviceAllocator.h>
#include <cctype>
#include <fstream>
#include <iterator>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>
#include <torch/cuda.h>

#include "fmboost/core/error.h"

#include "core/control_group.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fmboost {
namespace {

torch::Device resolve_device(const std::string& name) {
  const auto gpus = static_cast<int>(torch::cuda::device_count());
  if (name == "auto") {
    return gpus > 0 ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  }
  if (name == "cpu") {
    return torch::kCPU;
  }
  int index = 0;
  if (name.rfind("cuda:", 0) == 0 && name.size() <= 8 && name.size() > 5 &&
      std::all_of(name.begin() + 5, name.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    index = std::stoi(name.substr(5));
  } else if (name != "cuda") {
    throw UsageError("unknown device '" + name + "': use auto, cpu, cuda or cuda:N");
  }
  if (gpus == 0) {
    throw Error("device '" + name + "' is not available: LibTorch found no usable CUDA GPU; use `device` cpu");
  }
  if (index >= gpus) {
    throw Error("device '" + name + "' is not available: CUDA GPUs found: " + std::to_string(gpus) +
                ", numbered from 0");
  }
  return {torch::kCUDA, static_cast<torch::DeviceIndex>(index)};
}

std::int64_t meminfo_available() {
  std::ifstream stream("/proc/meminfo");
  std::string key;
  std::int64_t kilobytes = 0;
  std::string unit;
  while (stream >> key >> kilobytes) {
    std::getline(stream, unit);
    if (key == "MemAvailable:") {
      return kilobytes * 1024;
    }
  }
  return std::numeric_limits<std::int64_t>::max();
}

std::int64_t control_groups_available() {
  std::ifstream stream("/proc/self/cgroup");
  const std::string membership{std::istreambuf_iterator<char>(stream), {}};
  return control_group_available("/sys/fs/cgroup", membership).value_or(std::numeric_limits<std::int64_t>::max());
}

std::int64_t resource_limit_available() {
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return static_cast<std::int64_t>(limit.rlim_cur);
}

}  // namespace

Placement resolve_placement(const std::string& device, const std::string& dtype) {
  Placement placement;
  placement.device = resolve_device(device);
  if (dtype == "auto") {
    placement.dtype = placement.device.is_cuda() || cpu_has_fast_bfloat16() ? torch::kBFloat16 : torch::kFloat32;
  } else {
    placement.dtype = parse_dtype(dtype);
  }
  return placement;
}

std::string to_string(const Placement& placement) {
  return placement.device.str() + " " + dtype_name(placement.dtype);
}

std::string dtype_name(torch::ScalarType dtype) {
  switch (dtype) {
    case torch::kFloat32:
      return "float32";
    case torch::kBFloat16:
      return "bfloat16";
    case torch::kFloat16:
      return "float16";
    default:
      return c10::toString(dtype);
  }
}

torch::ScalarType parse_dtype(const std::string& name) {
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    if (name == dtype_name(dtype)) {
      return dtype;
    }
  }
  throw UsageError("unknown dtype '" + name + "': use auto, float32, bfloat16 or float16");
}

bool cpu_has_fast_bfloat16() {
#if defined(__x86_64__)
  // CPUID leaf 7: AMX-BF16 is EDX bit 22 of subleaf 0, AVX512_BF16 is EAX bit 5 of subleaf 1 (Intel SDM, volume 2A).
  unsigned int eax = 0;
  unsigned int ebx = 0;
  unsigned int ecx = 0;
  unsigned int edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) {
    return false;
  }
  const bool amx = (edx & (1U << 22)) != 0;
  __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx);
  return amx || (eax & (1U << 5)) != 0;
#else
  return false;
#endif
}

std::int64_t available_memory(torch::Device device) {
  if (device.is_cuda()) {
    return static_cast<std::int64_t>(c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  }
#ifdef __GLIBC__
  malloc_trim(0);  // freed memory that the heap keeps counts as available
#endif
  return std::min({meminfo_available(), control_groups_available(), resource_limit_available()});
}

std::int64_t peak_resident_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace fmboost
