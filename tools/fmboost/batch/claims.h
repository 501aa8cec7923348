#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace fmboost::tool {

/// Claims of the outputs that processes work on, one file each in a folder. A claim is held by a lock on its file, so
/// it expires with its process, however that ends; the file that is left tells that the output's work was cut off. File
/// systems that several machines share must pass locks on (NFS from version 4, CephFS, Lustre with `flock`). Members
/// may be called from several threads.
class Claims {
 public:
  enum class Result { taken, taken_from_dead, held_by_other };

  /// Creates the folder. Throws Error.
  explicit Claims(std::filesystem::path folder);
  /// Gives up all claims whose outputs are not finished; the files of those taken from dead processes stay.
  ~Claims();
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  /// `name` identifies the output. `taken_from_dead`: a process that ended in the middle had claimed it. Throws Error.
  Result take(const std::string& name);
  /// Removes the claim once the output is finished, or failed.
  void release(const std::string& name);
  /// Gives up the claim but leaves its file, as a process that ends in the middle does.
  void abandon(const std::string& name);

 private:
  struct Held {
    int fd = -1;
    bool from_dead = false;
  };
  std::filesystem::path file_of(const std::string& name) const;

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, Held> held_;
};

}  // namespace fmboost::tool
