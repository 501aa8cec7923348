#include "fmboost/eval/pairs.h"

#include <map>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using FilesByName = std::map<std::string, fs::path>;

FilesByName by_name(const std::vector<fs::path>& files, const std::string& where) {
  FilesByName found;
  for (const auto& file : files) {
    const auto [entry, is_new] = found.emplace(file.stem().string(), file);
    if (!is_new) {
      throw UsageError("'" + entry->second.filename().string() + "' and '" + file.filename().string() + "' in '" +
                       where + "' have the same name, so their partners are ambiguous; move one of them elsewhere");
    }
  }
  return found;
}

// Describes the files of `files` that are missing in `others`; empty if there are none.
std::string missing_partners(const FilesByName& files, const std::string& where, const FilesByName& others,
                             const std::string& where_others) {
  constexpr std::size_t kNamed = 5;
  std::string names;
  std::size_t count = 0;
  for (const auto& [name, file] : files) {
    if (!others.contains(name) && ++count <= kNamed) {
      names += (names.empty() ? "'" : ", '") + file.filename().string() + "'";
    }
  }
  if (count == 0) {
    return {};
  }
  return std::to_string(count) + (count == 1 ? " image" : " images") + " of '" + where + "' without a partner in '" +
         where_others + "': " + names + (count > kNamed ? ", ..." : "");
}

}  // namespace

std::vector<ImagePair> pair_by_name(const std::vector<fs::path>& images, const std::string& where_a,
                                    const std::vector<fs::path>& references, const std::string& where_b) {
  const FilesByName a = by_name(images, where_a);
  const FilesByName b = by_name(references, where_b);
  const std::string in_a = missing_partners(a, where_a, b, where_b);
  const std::string in_b = missing_partners(b, where_b, a, where_a);
  if (!in_a.empty() || !in_b.empty()) {
    throw UsageError(in_a + (in_a.empty() || in_b.empty() ? "" : "; ") + in_b +
                     "; both folders must contain the same names (suffixes may differ)");
  }
  std::vector<ImagePair> pairs;
  for (const auto& [name, file] : a) {
    pairs.push_back({.name = name, .image = file, .reference = b.at(name)});
  }
  return pairs;
}

}  // namespace fmboost
