#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fmboost {

/// An image and what it should have been.
struct ImagePair {
  std::string name;  ///< of both files, without suffix
  std::filesystem::path image;
  std::filesystem::path reference;
};

/// Puts together the files of two folders whose names, suffixes aside, are the same; sorted by name. `where_a` and
/// `where_b` name the folders in messages. Throws UsageError naming files without a partner, and files of one folder
/// that share a name.
std::vector<ImagePair> pair_by_name(const std::vector<std::filesystem::path>& images, const std::string& where_a,
                                      const std::vector<std::filesystem::path>& references, const std::string& where_b);

}  // namespace fmboost
