#include "batch/batch_summary.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>

#include "fmboost/core/memory_probe.h"
#include "fmboost/core/placement.h"

namespace fmboost::tool {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_summary_signal(int) {
  requested.store(true);
}

// "cannot read 'a.png': no such file" and the same of b.png are one reason.
std::string without_quoted(const std::string& message) {
  std::string result;
  bool quoted = false;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const bool quote = message[i] == '\'';
    const bool opens = quote && !quoted && (i == 0 || message[i - 1] == ' ' || message[i - 1] == '(') &&
                       message.find('\'', i + 1) != std::string::npos;
    if (opens) {
      result += "'...'";
    } else if (!quoted) {
      result += message[i];
    }
    quoted = opens || (quoted && !quote);
  }
  return result;
}

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

void BatchSummary::done() {
  const std::lock_guard lock(mutex_);
  ++done_;
}

void BatchSummary::skipped(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++skipped_;
  ++skipped_reasons_[reason];
}

void BatchSummary::failed(const std::string& message) {
  const std::lock_guard lock(mutex_);
  ++failed_;
  ++failed_reasons_[without_quoted(message)];
}

double BatchSummary::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::optional<std::size_t> BatchSummary::left() const {
  return images_ ? std::optional(*images_ - done_ - skipped_ - failed_) : std::nullopt;
}

std::string BatchSummary::text() const {
  const std::lock_guard lock(mutex_);
  std::string text =
      std::to_string(done_) + " done, " + std::to_string(skipped_) + " skipped, " + std::to_string(failed_) + " failed";
  text += left() ? ", " + std::to_string(*left()) + " left" : "";
  text += "; " + rounded(static_cast<double>(done_) / seconds() * 60) + " images per minute, peak memory " +
          format_bytes(peak_resident_memory());
  for (const auto& [reason, count] : skipped_reasons_) {
    text += "\n  " + std::to_string(count) + " skipped: " + reason;
  }
  for (const auto& [reason, count] : failed_reasons_) {
    text += "\n  " + std::to_string(count) + " failed: " + reason;
  }
  return text;
}

nlohmann::json BatchSummary::json() const {
  const std::lock_guard lock(mutex_);
  return {{"done", done_},
          {"skipped", skipped_},
          {"failed", failed_},
          {"reasons", failed_reasons_},
          {"left", left() ? nlohmann::json(*left()) : nlohmann::json()},
          {"seconds", seconds()},
          {"images_per_minute", static_cast<double>(done_) / seconds() * 60},
          {"peak_memory", peak_resident_memory()}};
}

void install_summary_handler() {
  struct sigaction action {};
  action.sa_handler = on_summary_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR1, &action, nullptr);
}

bool summary_requested() {
  return requested.exchange(false);
}

}  // namespace fmboost::tool
