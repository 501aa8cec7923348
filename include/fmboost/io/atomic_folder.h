#pragma once

#include <filesystem>
#include <string>

namespace fmboost {

/// A folder that is filled under a temporary name beside its own and takes that name only when it is complete. All
/// members throw Error naming the folder and the reason.
class AtomicFolder {
 public:
  /// `marker`: a file that tells folders of the kind. An existing folder is replaced only with `replace`, and only if
  /// it has the marker or is empty: nobody's images are deleted.
  AtomicFolder(std::filesystem::path folder, std::string marker, bool replace);
  /// Removes what was written where commit() was not reached.
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where the files are to be written.
  const std::filesystem::path& path() const { return temporary_; }
  void commit();

 private:
  void check_replaceable() const;

  std::filesystem::path folder_;
  std::filesystem::path temporary_;
  std::string marker_;
  bool replace_;
};

}  // namespace fmboost
