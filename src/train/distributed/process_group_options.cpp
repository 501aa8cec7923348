#include "train/distributed/process_group_options.h"

#include <charconv>
#include <cstdlib>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

int parse_number(const std::string& name, const std::string& text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    throw UsageError("the environment variable " + name + " must be a whole number, got '" + text + "'");
  }
  return value;
}

// Reads variables that are required because another one is set.
class Reader {
 public:
  Reader(const EnvironmentLookup& lookup, std::string because) : lookup_(lookup), because_(std::move(because)) {}

  std::string text(const std::string& name) const {
    const auto value = lookup_(name);
    if (!value || value->empty()) {
      throw UsageError("the environment variable " + because_ + " is set, but " + name +
                       " is not: a run of several processes needs both. Start it with torchrun or srun, or unset " +
                       because_);
    }
    return *value;
  }
  int number(const std::string& name) const { return parse_number(name, text(name)); }
  int number(const std::string& name, int otherwise) const {
    const auto value = lookup_(name);
    return value && !value->empty() ? parse_number(name, *value) : otherwise;
  }

 private:
  const EnvironmentLookup& lookup_;
  std::string because_;
};

void read_launcher(const EnvironmentLookup& lookup, ProcessGroupOptions& options) {
  const Reader reader(lookup, lookup("RANK") ? "RANK" : "WORLD_SIZE");
  options.rank = reader.number("RANK");
  options.size = reader.number("WORLD_SIZE");
  options.local_rank = reader.number("LOCAL_RANK", options.rank);
  if (options.size > 1) {
    const Reader of_several(lookup, "WORLD_SIZE");
    options.master_address = of_several.text("MASTER_ADDR");
    options.master_port = of_several.number("MASTER_PORT");
    options.agent_store = lookup("TORCHELASTIC_USE_AGENT_STORE") == "True";
  }
}

void read_slurm(const EnvironmentLookup& lookup, ProcessGroupOptions& options) {
  const Reader reader(lookup, "SLURM_STEP_NUM_TASKS");
  options.size = reader.number("SLURM_STEP_NUM_TASKS");
  if (options.size <= 1) {
    return;
  }
  options.rank = reader.number("SLURM_PROCID");
  options.local_rank = reader.number("SLURM_LOCALID");
  const auto address = lookup("MASTER_ADDR");
  options.master_address =
      address && !address->empty() ? *address : first_slurm_host(reader.text("SLURM_STEP_NODELIST"));
  // Jobs that share a machine have different numbers and therefore different ports.
  constexpr int kFirstPort = 15000;
  constexpr int kPorts = 10000;
  options.master_port = reader.number("MASTER_PORT", kFirstPort + reader.number("SLURM_JOB_ID", 0) % kPorts);
}

[[noreturn]] void out_of_range(const std::string& what, int value, const std::string& range) {
  throw UsageError(what + " must be " + range + ", got " + std::to_string(value));
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void ProcessGroupOptions::check() const {
  if (size < 1) {
    out_of_range("the number of processes (WORLD_SIZE)", size, "at least 1");
  }
  if (rank < 0 || rank >= size) {
    out_of_range("the rank of the process (RANK)", rank,
                 "0 to " + std::to_string(size - 1) + " (WORLD_SIZE is " + std::to_string(size) + ")");
  }
  if (local_rank < 0 || local_rank >= size) {
    out_of_range("the rank of the process on its machine (LOCAL_RANK)", local_rank, "0 to " + std::to_string(size - 1));
  }
  if (size > 1 && (master_port < 1 || master_port > 65535)) {
    out_of_range("the port of the rendezvous (MASTER_PORT)", master_port, "1 to 65535");
  }
  if (size > 1 && master_address.empty()) {
    throw UsageError("the address of the rendezvous (MASTER_ADDR) is empty");
  }
  if (heartbeat_interval.count() <= 0 || lost_after < 3 * heartbeat_interval) {
    throw UsageError("a process must not count as lost before three heartbeat intervals have passed");
  }
}

ProcessGroupOptions ProcessGroupOptions::from_environment(const EnvironmentLookup& lookup) {
  ProcessGroupOptions options;
  if (lookup("RANK") || lookup("WORLD_SIZE")) {
    read_launcher(lookup, options);
  } else if (lookup("SLURM_STEP_NUM_TASKS")) {
    read_slurm(lookup, options);
  }
  options.check();
  return options;
}

std::string process_device_name(const std::string& device, const ProcessGroupOptions& options, int gpus) {
  if (options.size == 1 || gpus == 0 || (device != "auto" && device != "cuda")) {
    return device;
  }
  if (gpus == 1) {
    return "cuda:0";
  }
  if (options.local_rank >= gpus) {
    throw UsageError("rank " + std::to_string(options.rank) + " has the local rank " +
                     std::to_string(options.local_rank) + " (LOCAL_RANK) on a machine with " + std::to_string(gpus) +
                     " GPUs: start at most one process per GPU, or use `device` cpu");
  }
  return "cuda:" + std::to_string(options.local_rank);
}

std::string first_slurm_host(const std::string& node_list) {
  std::string first = node_list.substr(0, node_list.find_first_of(",["));
  if (first.empty()) {
    throw UsageError("the Slurm node list '" + node_list + "' names no host; set MASTER_ADDR to the first one");
  }
  const std::size_t bracket = node_list.find('[');
  if (bracket == std::string::npos || bracket != first.size()) {
    return first;
  }
  return first + node_list.substr(bracket + 1, node_list.find_first_of(",-]", bracket) - bracket - 1);
}

}  // namespace fmboost
