#include "train/distributed/heartbeat_monitor.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

constexpr const char* kVerdictKey = "verdict";
constexpr const char* kDone = "done";
constexpr const char* kFailed = "failed";

bool has_left(const std::string& beat) {
  return beat == kDone || beat == kFailed;
}

std::string silent(const std::string& name) {
  return name + " does not answer any more: it was killed, or its machine is down";
}

std::string failed(const std::string& name) {
  return name + " stopped with an error, which its own output names";
}

std::string as_error(const std::string& verdict) {
  return verdict + ". The others cannot go on without it: start the run again from its last checkpoint";
}

}  // namespace

HeartbeatMonitor::HeartbeatMonitor(const Rendezvous& rendezvous, const ProcessGroupOptions& options, bool device_may_hang)
    : options_(options),
      names_(rendezvous.names),
      store_(rendezvous.store->clone()),
      device_may_hang_(device_may_hang),
      exceptions_at_start_(std::uncaught_exceptions()) {
  store_->setTimeout(options_.lost_after);
  thread_ = std::thread([this] { run(); });
}

HeartbeatMonitor::~HeartbeatMonitor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  try {
    leave();
  } catch (const std::exception& error) {
    log_debug("while the workers part: " + short_reason(error));
  }
}

void HeartbeatMonitor::check() const {
  if (const std::string found = verdict(); !found.empty()) {
    throw Error(as_error(found));
  }
}

void HeartbeatMonitor::explain(const std::string& reason) {
  std::string found = verdict();
  if (found.empty()) {
    found = suspects();
    if (!found.empty()) {
      publish(found);
    }
  }
  throw Error(found.empty() ? "the connection to another worker failed: " + reason : as_error(found));
}

void HeartbeatMonitor::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && verdict_.empty() && !first_has_left_) {
    lock.unlock();
    try {
      beat();
      look();
    } catch (const std::exception& error) {
      log_debug("the workers' store: " + short_reason(error));
      set_verdict(silent(options_.agent_store ? "the launcher" : names_.front()));
    }
    lock.lock();
    pause(lock, options_.beat_interval);
  }
  if (!verdict_.empty()) {
    guard_the_end(lock);
  }
}

// The main thread throws as soon as it makes a call here, or when the one it is in fails. That one may never do so, and
// with NCCL no other either. But a process that is busy with something else, a checkpoint for example, is left alone
// for as long as possible.
void HeartbeatMonitor::guard_the_end(std::unique_lock<std::mutex>& lock) {
  const auto found = Clock::now();
  while (!stopping_) {
    const auto passed = Clock::now() - found;
    const bool stuck = waiting_ > 0 && passed > options_.lost_after / 3;
    if (stuck || (device_may_hang_ && passed > options_.lost_after * 5 / 6)) {
      log_error(as_error(verdict_));
      std::_Exit(static_cast<int>(ExitCode::runtime));
    }
    wake_.wait_for(lock, options_.beat_interval, [this] { return stopping_; });
  }
}

// Sleeps; true when the watch is to stop.
bool HeartbeatMonitor::pause(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time) {
  return wake_.wait_for(lock, time, [this] { return stopping_ || !verdict_.empty(); });
}

void HeartbeatMonitor::beat() {
  store_->set(beat_key(options_.rank), std::to_string(++beat_));
}

void HeartbeatMonitor::look() {
  if (store_->check({kVerdictKey})) {
    set_verdict(store_->get_to_str(kVerdictKey));
  } else if (options_.rank == 0) {
    look_at_all();
  } else {
    first_has_left_ = store_->get_to_str(beat_key(0)) == kDone;
  }
}

void HeartbeatMonitor::look_at_all() {
  const auto now = Clock::now();
  const auto all = beats();
  for (int rank = 1; rank < options_.size; ++rank) {
    const std::string& beat = all[static_cast<std::size_t>(rank)];
    auto& [last, since] = last_beats_[rank];
    if (beat != last) {
      last = beat;
      since = now;
    }
    if (beat == kFailed) {
      publish(failed(names_[static_cast<std::size_t>(rank)]));
    } else if (beat != kDone && now - since > options_.lost_after) {
      publish(silent(names_[static_cast<std::size_t>(rank)]));
    }
  }
}

std::vector<std::string> HeartbeatMonitor::beats() {
  std::vector<std::string> result;
  for (const auto& bytes : store_->multiGet(beat_keys(options_.size))) {
    result.emplace_back(bytes.begin(), bytes.end());
  }
  return result;
}

// Which of the others have fallen silent, failed or finished, the worst kind first. Takes three intervals.
std::string HeartbeatMonitor::suspects() {
  try {
    const auto before = beats();
    {
      std::unique_lock lock(mutex_);
      if (pause(lock, 3 * options_.beat_interval)) {
        return verdict_;
      }
    }
    const auto after = beats();
    std::string failure;
    std::string finish;
    for (std::size_t rank = 0; rank < after.size(); ++rank) {
      if (rank == static_cast<std::size_t>(options_.rank)) {
        continue;
      }
      if (after[rank] == kFailed) {
        failure = failed(names_[rank]);
      } else if (after[rank] == kDone) {
        finish = names_[rank] + " finished while others still had work to share with it";
      } else if (after[rank] == before[rank]) {
        return silent(names_[rank]);
      }
    }
    return failure.empty() ? finish : failure;
  } catch (const std::exception&) {
    return silent(options_.agent_store ? "the launcher" : names_.front());
  }
}

void HeartbeatMonitor::publish(const std::string& verdict) {
  set_verdict(verdict);
  try {
    store_->set(kVerdictKey, verdict);
  } catch (const std::exception& error) {
    log_debug("the workers' store: " + short_reason(error));
  }
}

void HeartbeatMonitor::set_verdict(const std::string& verdict) {
  {
    const std::lock_guard lock(mutex_);
    if (verdict_.empty()) {
      verdict_ = verdict;
    }
  }
  wake_.notify_all();
}

std::string HeartbeatMonitor::verdict() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

void HeartbeatMonitor::leave() {
  // ProcessGroup that a signal stops all come to their end, one after the other.
  const bool failing = std::uncaught_exceptions() > exceptions_at_start_ && !interrupt_requested();
  store_->set(beat_key(options_.rank), std::string(failing ? kFailed : kDone));
  if (options_.rank != 0 || options_.agent_store) {
    return;
  }
  if (failing) {
    std::this_thread::sleep_for(4 * options_.beat_interval);  // so that the others can still read of it
  } else {
    wait_for_leavers();
  }
}

void HeartbeatMonitor::wait_for_leavers() {
  const auto deadline = Clock::now() + options_.lost_after;
  while (Clock::now() < deadline) {
    const auto all = beats();
    if (std::all_of(all.begin(), all.end(), has_left)) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace fmboost
