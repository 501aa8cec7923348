#include "train/distributed/heartbeat_monitor.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "fmboost/core/error.h"
#include "fmboost/core/interrupt.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

constexpr const char* kFailureKey = "failure";
constexpr const char* kDone = "done";
constexpr const char* kFailed = "failed";

bool has_left(const std::string& heartbeat) {
  return heartbeat == kDone || heartbeat == kFailed;
}

std::string no_response(const std::string& name) {
  return name + " does not respond: it was killed, or its machine is down";
}

std::string stopped_with_error(const std::string& name) {
  return name + " stopped with an error (see its own output)";
}

std::string error_text(const std::string& failure) {
  return failure + ". The other processes cannot continue without it: resume the run from its last checkpoint";
}

}  // namespace

HeartbeatMonitor::HeartbeatMonitor(const Rendezvous& rendezvous, const ProcessGroupOptions& options,
                                   bool device_may_hang)
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
    log_debug("while the processes leave: " + short_reason(error));
  }
}

void HeartbeatMonitor::check() const {
  if (const std::string found = failure(); !found.empty()) {
    throw Error(error_text(found));
  }
}

void HeartbeatMonitor::throw_failure(const std::string& reason) {
  std::string found = failure();
  if (found.empty()) {
    found = find_failure();
    if (!found.empty()) {
      publish(found);
    }
  }
  throw Error(found.empty() ? "the connection to another process failed: " + reason : error_text(found));
}

void HeartbeatMonitor::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && failure_.empty() && !first_has_left_) {
    lock.unlock();
    try {
      send_heartbeat();
      check_store();
    } catch (const std::exception& error) {
      log_debug("the key-value store: " + short_reason(error));
      set_failure(no_response(options_.agent_store ? "the launcher" : names_.front()));
    }
    lock.lock();
    pause(lock, options_.heartbeat_interval);
  }
  if (!failure_.empty()) {
    terminate_if_stuck(lock);
  }
}

// The main thread throws at its next call of the process group, or when its current one fails. Its current call may
// never return, and with NCCL neither may any other call that waits for the device. A process that is busy otherwise,
// for example with a checkpoint, gets as much time as possible.
void HeartbeatMonitor::terminate_if_stuck(std::unique_lock<std::mutex>& lock) {
  const auto found = Clock::now();
  while (!stopping_) {
    const auto passed = Clock::now() - found;
    const bool stuck = waiting_ > 0 && passed > options_.lost_after / 3;
    if (stuck || (device_may_hang_ && passed > options_.lost_after * 5 / 6)) {
      log_error(error_text(failure_));
      std::_Exit(static_cast<int>(ExitCode::runtime));
    }
    wake_.wait_for(lock, options_.heartbeat_interval, [this] { return stopping_; });
  }
}

// Sleeps; true if the monitor should stop.
bool HeartbeatMonitor::pause(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time) {
  return wake_.wait_for(lock, time, [this] { return stopping_ || !failure_.empty(); });
}

void HeartbeatMonitor::send_heartbeat() {
  store_->set(heartbeat_key(options_.rank), std::to_string(++heartbeat_));
}

void HeartbeatMonitor::check_store() {
  if (store_->check({kFailureKey})) {
    set_failure(store_->get_to_str(kFailureKey));
  } else if (options_.rank == 0) {
    check_all_heartbeats();
  } else {
    first_has_left_ = store_->get_to_str(heartbeat_key(0)) == kDone;
  }
}

void HeartbeatMonitor::check_all_heartbeats() {
  const auto now = Clock::now();
  const auto all = heartbeats();
  for (int rank = 1; rank < options_.size; ++rank) {
    const std::string& heartbeat = all[static_cast<std::size_t>(rank)];
    auto& [last, since] = last_heartbeats_[rank];
    if (heartbeat != last) {
      last = heartbeat;
      since = now;
    }
    if (heartbeat == kFailed) {
      publish(stopped_with_error(names_[static_cast<std::size_t>(rank)]));
    } else if (heartbeat != kDone && now - since > options_.lost_after) {
      publish(no_response(names_[static_cast<std::size_t>(rank)]));
    }
  }
}

std::vector<std::string> HeartbeatMonitor::heartbeats() {
  std::vector<std::string> result;
  for (const auto& bytes : store_->multiGet(heartbeat_keys(options_.size))) {
    result.emplace_back(bytes.begin(), bytes.end());
  }
  return result;
}

// Describes the process that caused a failure: one without heartbeats, else one that failed, else one that finished
// early; empty if there is none. Takes three intervals.
std::string HeartbeatMonitor::find_failure() {
  try {
    const auto before = heartbeats();
    {
      std::unique_lock lock(mutex_);
      if (pause(lock, 3 * options_.heartbeat_interval)) {
        return failure_;
      }
    }
    const auto after = heartbeats();
    std::string failed;
    std::string finished;
    for (std::size_t rank = 0; rank < after.size(); ++rank) {
      if (rank == static_cast<std::size_t>(options_.rank)) {
        continue;
      }
      if (after[rank] == kFailed) {
        failed = stopped_with_error(names_[rank]);
      } else if (after[rank] == kDone) {
        finished = names_[rank] + " finished while the others still needed it";
      } else if (after[rank] == before[rank]) {
        return no_response(names_[rank]);
      }
    }
    return failed.empty() ? finished : failed;
  } catch (const std::exception&) {
    return no_response(options_.agent_store ? "the launcher" : names_.front());
  }
}

void HeartbeatMonitor::publish(const std::string& failure) {
  set_failure(failure);
  try {
    store_->set(kFailureKey, failure);
  } catch (const std::exception& error) {
    log_debug("the key-value store: " + short_reason(error));
  }
}

void HeartbeatMonitor::set_failure(const std::string& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) {
      failure_ = failure;
    }
  }
  wake_.notify_all();
}

std::string HeartbeatMonitor::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void HeartbeatMonitor::leave() {
  // After a signal every process ends on its own, which is not a failure.
  const bool failing = std::uncaught_exceptions() > exceptions_at_start_ && !interrupt_requested();
  store_->set(heartbeat_key(options_.rank), std::string(failing ? kFailed : kDone));
  if (options_.rank != 0 || options_.agent_store) {
    return;
  }
  if (failing) {
    std::this_thread::sleep_for(4 * options_.heartbeat_interval);  // so that the others can still read it
  } else {
    wait_until_all_have_left();
  }
}

void HeartbeatMonitor::wait_until_all_have_left() {
  const auto deadline = Clock::now() + options_.lost_after;
  while (Clock::now() < deadline) {
    const auto all = heartbeats();
    if (std::all_of(all.begin(), all.end(), has_left)) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace fmboost
