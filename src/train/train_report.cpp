#include <array>
#include <cstdio>

#include "fmboost/core/memory_probe.h"

#include "train/trainer.h"

namespace fmboost {
namespace {

std::string formatted(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

// "3:12:05"
std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(seconds);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  return text.data();
}

}  // namespace

std::string to_text(const TrainReport& report) {
  return "step " + std::to_string(report.step) + "/" + std::to_string(report.steps) + ", loss " +
         formatted("%.5g", report.loss) + ", gradient " + formatted("%.3g", report.gradient_norm) + ", lr " +
         formatted("%.3g", report.learning_rate) + ", " + formatted("%.3g", report.images_per_second) +
         " images/s, data wait " + formatted("%.1f", 100 * report.data_wait) + " %, memory " +
         format_bytes(report.memory) + ", " + duration_text(report.seconds_left) + " left";
}

}  // namespace fmboost
