#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace fmboost {

/// Looks up an environment variable; nothing when it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// The process's own environment.
std::optional<std::string> environment_variable(const std::string& name);

/// This process's place in a data-parallel run, and where its processes meet.
struct ProcessGroupOptions {
  int rank = 0;                              ///< 0 .. size - 1
  int size = 1;                              ///< processes in all
  int local_rank = 0;                        ///< this process's number on its own machine, picks the GPU
  std::string master_address = "127.0.0.1";  ///< the machine of rank 0
  int master_port = 29500;                   ///< a free port there
  bool agent_store = false;                  ///< a launcher already listens there, as torchrun does

  std::chrono::milliseconds join_timeout = std::chrono::minutes(5);   ///< for all workers to appear
  std::chrono::milliseconds beat_interval = std::chrono::seconds(1);  ///< between signs of life
  std::chrono::milliseconds lost_after = std::chrono::seconds(30);    ///< silence after which a worker counts as lost
  /// For one collective. Long, since one worker may validate while the others wait; the signs of life find the dead.
  std::chrono::milliseconds collective_timeout = std::chrono::hours(2);

  /// Throws UsageError naming what is out of range.
  void check() const;

  /// From RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT (torchrun, mpirun wrappers), else from what srun sets
  /// (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID, SLURM_STEP_NODELIST, SLURM_JOB_ID; MASTER_ADDR and MASTER_PORT
  /// still win), else a run of one process. Throws UsageError naming the variable that is missing or wrong.
  static ProcessGroupOptions from_environment(const EnvironmentLookup& lookup = environment_variable);
};

/// The device name for a worker: of "auto" and "cuda" in a run of several, its own GPU, "cuda:LOCAL_RANK" (or the only
/// GPU where the launcher shows a process just one). Everything else stays as it is. Throws UsageError when the
/// machine has fewer GPUs than workers. `gpus` is the number that this process sees.
std::string process_device_name(const std::string& device, const ProcessGroupOptions& options, int gpus);

/// The first host of a Slurm node list: "node[07-09,12],login1" -> "node07". Throws UsageError for an empty list.
std::string first_slurm_host(const std::string& node_list);

}  // namespace fmboost
