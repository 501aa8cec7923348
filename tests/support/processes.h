#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "temporary_folder.h"

namespace fmboost::test {

/// A program that runs beside the test. It is killed with this object if it still runs.
class ChildProcess {
 public:
  /// The environment is the test's own with `environment` on top.
  ChildProcess(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Waits for its end. The exit code, or 128 + the signal that ended it; -1 and a failure of the test when it takes
  /// longer than `limit`.
  int wait(std::chrono::seconds limit = std::chrono::seconds(120));
  bool ended();
  /// What it wrote to stdout and stderr so far.
  std::string output() const;
  void signal(int number) const;

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
  int code_ = -1;
};

/// A TCP port of the loopback that was free a moment ago.
int free_port();

}  // namespace fmboost::test
