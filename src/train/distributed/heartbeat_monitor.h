#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "train/distributed/rendezvous.h"

namespace fmboost {

/// Signs of life between workers. Every worker writes a growing number to the store; rank 0 looks at all of them, the
/// others at rank 0's, and what rank 0 finds wrong it writes down for everybody.
class HeartbeatMonitor {
 public:
  /// The watch talks to the store over a connection of its own. `device_may_hang`: this process can be stuck in any
  /// call that waits for its device, as those that wait for NCCL's kernels are.
  HeartbeatMonitor(const Rendezvous& rendezvous, const ProcessGroupOptions& options, bool device_may_hang);
  /// Leaves, as done or as failed, and lets rank 0's store live until the others have left as well.
  ~HeartbeatMonitor();
  HeartbeatMonitor(const HeartbeatMonitor&) = delete;
  HeartbeatMonitor& operator=(const HeartbeatMonitor&) = delete;

  /// Throws Error when a worker is lost.
  void check() const;

  /// Lives while this process waits for the others. A process in which it lives too long after a worker was lost is
  /// ended: its error would never come.
  class Waiting {
   public:
    explicit Waiting(HeartbeatMonitor& watch) : watch_(watch) { ++watch_.waiting_; }
    ~Waiting() { --watch_.waiting_; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    HeartbeatMonitor& watch_;
  };

  /// Called when a collective has failed: finds out which worker is behind it, tells the others, and throws.
  [[noreturn]] void explain(const std::string& reason);

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  void guard_the_end(std::unique_lock<std::mutex>& lock);
  bool pause(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds time);
  void beat();
  void look();
  void look_at_all();
  std::vector<std::string> beats();
  std::string suspects();
  void publish(const std::string& verdict);
  void set_verdict(const std::string& verdict);
  std::string verdict() const;
  void leave();
  void wait_for_leavers();

  ProcessGroupOptions options_;
  ProcessNames names_;
  c10::intrusive_ptr<c10d::Store> store_;
  bool device_may_hang_;
  int exceptions_at_start_;
  std::atomic<int> waiting_{0};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  bool stopping_ = false;
  std::string verdict_;

  std::int64_t beat_ = 0;
  bool first_has_left_ = false;
  std::map<int, std::pair<std::string, Clock::time_point>> last_beats_;
  std::thread thread_;
};

}  // namespace fmboost
