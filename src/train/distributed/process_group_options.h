#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace fmboost {

/// Looks up an environment variable; nothing if it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Reads this process's own environment.
std::optional<std::string> environment_variable(const std::string& name);

/// This process's place in a data-parallel run, and the address of the rendezvous.
struct ProcessGroupOptions {
  int rank = 0;                              ///< 0 .. size - 1
  int size = 1;                              ///< number of processes
  int local_rank = 0;                        ///< rank among the processes of this machine, selects the GPU
  std::string master_address = "127.0.0.1";  ///< the machine of rank 0
  int master_port = 29500;                   ///< a free port there
  bool agent_store = false;                  ///< a launcher such as torchrun already listens there

  std::chrono::milliseconds join_timeout = std::chrono::minutes(5);        ///< for all processes to join
  std::chrono::milliseconds heartbeat_interval = std::chrono::seconds(1);  ///< between two heartbeats
  std::chrono::milliseconds lost_after = std::chrono::seconds(30);         ///< without a heartbeat
  /// For one collective. It is long because rank 0 may validate while the others wait; lost processes are detected by
  /// their heartbeats.
  std::chrono::milliseconds collective_timeout = std::chrono::hours(2);

  /// Throws UsageError naming what is out of range.
  void check() const;

  /// From RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT (torchrun, mpirun wrappers); otherwise from srun's
  /// variables (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID, SLURM_STEP_NODELIST, SLURM_JOB_ID), where
  /// MASTER_ADDR and MASTER_PORT take precedence; otherwise a run of one process. Throws UsageError naming the variable
  /// that is missing or wrong.
  static ProcessGroupOptions from_environment(const EnvironmentLookup& lookup = environment_variable);
};

/// The device name for this process. If there are several processes, "auto" and "cuda" become its own GPU,
/// "cuda:LOCAL_RANK", or "cuda:0" if the launcher makes only one GPU visible to each process. Other names are returned
/// as they are. Throws UsageError if the machine has fewer GPUs than processes. `gpus` is the number of visible GPUs.
std::string process_device_name(const std::string& device, const ProcessGroupOptions& options, int gpus);

/// The first host of a Slurm node list: "node[07-09,12],login1" -> "node07". Throws UsageError for an empty list.
std::string first_slurm_host(const std::string& node_list);

}  // namespace fmboost
