#include "fmboost/core/memory_probe.h"

#include <algorithm>
#include <array>
#include <c10/core/Allocator.h>
#include <cstdio>

namespace fmboost {
namespace {

// PyTorch's allocators report every allocation to what is registered here for the thread.
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
