#include "fmboost/core/memory_probe.h"

#include <algorithm>
#include <array>
#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>
#include <cstdio>
#include <new>
#include <string_view>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// PyTorch's allocators report every allocation to the object registered for the thread.
class PeakMeter final : public c10::MemoryReportingInfoBase {
 public:
  explicit PeakMeter(torch::Device device) : device_(device) {}

  void reportMemoryUsage(void*, std::int64_t alloc_size, std::size_t, std::size_t, c10::Device device) override {
    if (device.type() == device_.type()) {
      current_ += alloc_size;
      peak_ = std::max(peak_, current_);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t peak() const { return peak_; }

 private:
  torch::Device device_;
  std::int64_t current_ = 0;
  std::int64_t peak_ = 0;
};

}  // namespace

std::int64_t peak_tensor_memory(torch::Device device, const std::function<void()>& work) {
  const auto meter = std::make_shared<PeakMeter>(device);
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
  work();
  return meter->peak();
}

void return_freed_memory([[maybe_unused]] std::int64_t block, [[maybe_unused]] std::int64_t heap_end) {
#ifdef __GLIBC__
  const auto bytes = [](std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(value, 1 << 20, 1 << 30));
  };
  mallopt(M_MMAP_THRESHOLD, bytes(block));
  mallopt(M_TRIM_THRESHOLD, bytes(heap_end));
#endif
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      dynamic_cast<const MemoryError*>(&error) != nullptr) {
    return true;
  }
  // The CPU allocator and oneDNN throw no dedicated type.
  const std::string_view text = error.what();
  return text.find("DefaultCPUAllocator") != std::string_view::npos ||
         text.find("out of memory") != std::string_view::npos ||
         text.find("could not create a memory") != std::string_view::npos;
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace fmboost
