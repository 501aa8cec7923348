#pragma once

#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "train/distributed/process_group_options.h"

namespace fmboost {

/// "worker 1 (node02, process 4711)", by rank.
using ProcessNames = std::vector<std::string>;

/// Where the workers find each other: a key-value store that rank 0, or the launcher, serves.
struct Rendezvous {
  c10::intrusive_ptr<c10d::Store> store;
  ProcessNames names;
};

/// Opens or joins the store and waits until all workers are there. Errors as the constructor of ProcessGroup.
Rendezvous meet(const ProcessGroupOptions& options);

/// Under these keys, by rank, workers show that they live; from before the others learn of them.
std::vector<std::string> beat_keys(int size);
std::string beat_key(int rank);

/// The part of a LibTorch message that a user can do something with: its first line, without source positions.
std::string short_reason(const std::exception& error);

}  // namespace fmboost
