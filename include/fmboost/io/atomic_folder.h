#pragma once

#include <filesystem>
#include <string>

namespace fmboost {

/// A folder that is filled under a temporary name in the same parent folder and renamed when it is complete. All
/// members throw Error naming the folder and the reason.
class AtomicFolder {
 public:
  /// `marker`: a file that identifies folders of the kind. An existing folder is replaced only with `replace`, and only
  /// if it contains the marker or is empty, so that no other files are deleted.
  AtomicFolder(std::filesystem::path folder, std::string marker, bool replace);
  /// Removes the written files unless commit() was called.
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// The folder to write the files to.
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
