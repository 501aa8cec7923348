#pragma once

#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "train/distributed/process_group_options.h"

namespace fmboost {

/// By rank: "rank 1 (node02, process 4711)".
using ProcessNames = std::vector<std::string>;

/// How the processes find each other: a key-value store that rank 0, or the launcher, serves.
struct Rendezvous {
  c10::intrusive_ptr<c10d::Store> store;
  ProcessNames names;
};

/// Opens or joins the store and waits until all processes have joined. Throws what the constructor of ProcessGroup
/// throws.
Rendezvous join_rendezvous(const ProcessGroupOptions& options);

/// The keys of the heartbeats, by rank. They exist before join_rendezvous() returns in any process.
std::vector<std::string> heartbeat_keys(int size);
std::string heartbeat_key(int rank);

/// The useful part of a LibTorch message: its first line, without source positions.
std::string short_reason(const std::exception& error);

}  // namespace fmboost
