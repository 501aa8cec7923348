#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "train/distributed/rendezvous.h"

namespace fmboost {

/// Detects lost processes. Every process writes a growing number to the store, its heartbeat. Rank 0 checks all
/// heartbeats, the others check that of rank 0, and rank 0 publishes the failures that it finds.
class HeartbeatMonitor {
 public:
  /// The monitor uses its own connection to the store. `device_may_hang`: this process can block in any call that waits
  /// for its device, for example for NCCL's kernels.
  HeartbeatMonitor(const Rendezvous& rendezvous, const ProcessGroupOptions& options, bool device_may_hang);
  /// Reports this process as done or failed. On rank 0 it keeps the store alive until the others have left.
  ~HeartbeatMonitor();
  HeartbeatMonitor(const HeartbeatMonitor&) = delete;
  HeartbeatMonitor& operator=(const HeartbeatMonitor&) = delete;

  /// Throws Error if a process is lost.
  void check() const;

  /// Marks a scope in which this process waits for the others. If another process is lost and the scope does not end
  /// within a few seconds, this process is terminated, since its call would never return.
  class Waiting {
   public:
    explicit Waiting(HeartbeatMonitor& monitor) : monitor_(monitor) { ++monitor_.waiting_; }
    ~Waiting() { --monitor_.waiting_; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    HeartbeatMonitor& monitor_;
  };

  /// To be called after a collective has failed: finds the process that caused it, tells the others, and throws.
  [[noreturn]] void throw_failure(const std::string& reason);

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void terminate_if_stuck(std::unique_lock<std::mutex>& lock);
  bool pause(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time);
  void send_heartbeat();
  void check_store();
  void check_all_heartbeats();
  std::vector<std::string> heartbeats();
  std::string find_failure();
  void publish(const std::string& failure);
  void set_failure(const std::string& failure);
  std::string failure() const;
  void leave();
  void wait_until_all_have_left();

  ProcessGroupOptions options_;
  ProcessNames names_;
  c10::intrusive_ptr<c10d::Store> store_;
  bool device_may_hang_;
  int exceptions_at_start_;
  std::atomic<int> waiting_{0};

  mutable std::mutex mutex_;  // guards the next three members
  std::condition_variable wake_;
  bool stopping_ = false;
  std::string failure_;  // empty: no process is lost

  std::int64_t heartbeat_ = 0;
  bool first_has_left_ = false;
  std::map<int, std::pair<std::string, Clock::time_point>> last_heartbeats_;  // by rank, and when they changed
  std::thread thread_;
};

}  // namespace fmboost
