#include "train/distributed/rendezvous.h"

#include <algorithm>
#include <array>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/exception.h>
#include <unistd.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

std::string address_of(const ProcessGroupOptions& options) {
  return options.master_address + ":" + std::to_string(options.master_port);
}

std::string seconds(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

std::string own_name(int rank) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return "rank " + std::to_string(rank) + " (" + host.data() + ", process " + std::to_string(::getpid()) + ")";
}

// LibTorch writes stack traces to stderr if a connection cannot be established or breaks; this program's errors contain
// their useful part. The levels are those of TORCH_CPP_LOG_LEVEL, which overrides this.
void silence_libtorch(int least_level) {
  if (!environment_variable("TORCH_CPP_LOG_LEVEL")) {
    FLAGS_caffe2_log_level = least_level;
  }
}

c10::intrusive_ptr<c10d::Store> open_store(const ProcessGroupOptions& options) {
  c10d::TCPStoreOptions store;
  store.port = static_cast<std::uint16_t>(options.master_port);
  store.isServer = options.rank == 0 && !options.agent_store;
  store.waitWorkers = false;  // join_rendezvous() waits, and can name the missing ones
  store.timeout = options.join_timeout;
  try {
    return c10::make_intrusive<c10d::TCPStore>(options.master_address, store);
  } catch (const std::exception& error) {
    const std::string reason = short_reason(error);
    if (store.isServer && reason.find("EADDRINUSE") != std::string::npos) {
      throw Error("port " + std::to_string(options.master_port) +
                  " of the rendezvous is already in use on this machine: set another MASTER_PORT for all processes");
    }
    throw Error("rank " + std::to_string(options.rank) + " cannot reach rank 0 at " + address_of(options) +
                " (MASTER_ADDR and MASTER_PORT) within " + seconds(options.join_timeout) + ": " + reason);
  }
}

std::vector<std::string> numbered_keys(const std::string& prefix, int size) {
  std::vector<std::string> keys(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = prefix + std::to_string(i);
  }
  return keys;
}

std::string name_key(int rank) {
  return "name/" + std::to_string(rank);
}

void announce(c10d::Store& store, const ProcessGroupOptions& options) {
  if (store.add("claims/" + std::to_string(options.rank), 1) != 1) {
    throw UsageError("two processes have rank " + std::to_string(options.rank) + " at " + address_of(options) +
                     ": every process needs its own RANK, and every run its own MASTER_PORT");
  }
  store.set(heartbeat_key(options.rank), std::string("0"));
  store.set(name_key(options.rank), own_name(options.rank));
}

std::string missing_ranks(c10d::Store& store, int size) {
  std::string missing;
  for (int rank = 0; rank < size; ++rank) {
    if (!store.check({name_key(rank)})) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
    }
  }
  return missing;
}

ProcessNames wait_for_all(c10d::Store& store, const ProcessGroupOptions& options) {
  const auto keys = numbered_keys("name/", options.size);
  try {
    store.wait(keys, options.join_timeout);
    ProcessNames names;
    for (const auto& key : keys) {
      names.push_back(store.get_to_str(key));
    }
    return names;
  } catch (const c10::DistStoreError&) {
    throw Error("of " + std::to_string(options.size) + " processes (WORLD_SIZE) these did not join at " +
                address_of(options) + " within " + seconds(options.join_timeout) + ": rank " +
                missing_ranks(store, options.size));
  } catch (const c10::Error& error) {
    throw Error("rank 0 at " + address_of(options) + " left while the others joined: " + short_reason(error));
  }
}

}  // namespace

std::vector<std::string> heartbeat_keys(int size) {
  return numbered_keys("heartbeat/", size);
}

std::string heartbeat_key(int rank) {
  return "heartbeat/" + std::to_string(rank);
}

std::string short_reason(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  text.resize(std::min(text.find('\n'), text.size()));
  if (text.starts_with('[') && text.find("] ") != std::string::npos) {
    text.erase(0, text.find("] ") + 2);
  }
  return text;
}

Rendezvous join_rendezvous(const ProcessGroupOptions& options) {
  log_debug("rank " + std::to_string(options.rank) + " of " + std::to_string(options.size) +
            " joins the rendezvous at " + address_of(options));
  constexpr int kError = 2;
  constexpr int kFatal = 3;
  Rendezvous rendezvous;
  silence_libtorch(kFatal);
  rendezvous.store = c10::make_intrusive<c10d::PrefixStore>("fmboost", open_store(options));
  silence_libtorch(kError);
  announce(*rendezvous.store, options);
  rendezvous.names = wait_for_all(*rendezvous.store, options);
  return rendezvous;
}

}  // namespace fmboost
