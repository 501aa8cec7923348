#pragma once

#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "support/processes.h"

namespace fmboost::test {

/// The processes of one run of fmboost_train_probe, with their rendezvous on the loopback interface.
class ProcessGroupRun {
 public:
  ProcessGroupRun(int size, const std::string& task, const std::string& argument = "", std::vector<int> ranks = {}) {
    if (ranks.empty()) {
      ranks.resize(static_cast<std::size_t>(size));
      std::iota(ranks.begin(), ranks.end(), 0);
    }
    std::vector<std::string> command{FMBOOST_TRAIN_PROBE, task};
    if (!argument.empty()) {
      command.push_back(argument);
    }
    std::map<std::string, std::string> environment{{"WORLD_SIZE", std::to_string(size)},
                                                   {"MASTER_ADDR", "127.0.0.1"},
                                                   {"MASTER_PORT", std::to_string(free_port())}};
    for (const int rank : ranks) {
      environment["RANK"] = std::to_string(rank);
      processes_.push_back(std::make_unique<ChildProcess>(command, environment));
    }
  }

  ChildProcess& operator[](std::size_t rank) { return *processes_[rank]; }

 private:
  std::vector<std::unique_ptr<ChildProcess>> processes_;
};

}  // namespace fmboost::test
