#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fmboost {

/// An image and its reference.
struct ImagePair {
  std::string name;  ///< of both files, without suffix
  std::filesystem::path image;
  std::filesystem::path reference;
};

/// Pairs the files of two folders that have the same name without suffix, sorted by name. `where_a` and `where_b` name
/// the folders in messages. Throws UsageError naming files without a partner, and files of one folder with the same
/// name.
std::vector<ImagePair> pair_by_name(const std::vector<std::filesystem::path>& images, const std::string& where_a,
                                    const std::vector<std::filesystem::path>& references, const std::string& where_b);

}  // namespace fmboost
