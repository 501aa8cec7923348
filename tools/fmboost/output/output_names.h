#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace fmboost::tool {

/// The values of an image that an output name can contain.
struct NameFields {
  std::size_t index = 0;         ///< {index}, %d
  std::string seed;              ///< {seed}
  std::string prompt;            ///< {prompt}, made safe for file names
  std::string name;              ///< {name}: the source's name without its suffix
  std::filesystem::path folder;  ///< {folder}: the source's folder below the one that was given
  std::string default_name;      ///< the file's name if only a folder, or nothing, is given
};

/// The output that stands for stdout.
inline constexpr const char* kStdout = "-";

/// One file per image. `output` is empty (the working folder), a folder (it exists or ends in /), a pattern, a file
/// name (one image only) or "-" (one image only). In a folder, a file keeps NameFields::folder. Folders that exist are
/// taken literally, whatever is in their names; %d is replaced in the file's name only, not before a letter. Throws
/// UsageError for an unknown suffix, a single name for several images, or two images of the same name.
std::vector<std::filesystem::path> plan_outputs(const std::string& output, const std::vector<NameFields>& images);

/// The same for images that become known one by one.
class OutputNames {
 public:
  /// Throws UsageError for an unknown suffix.
  explicit OutputNames(const std::string& output);
  ~OutputNames();

  /// The file of the next image. Throws UsageError for a name that was given to an earlier one.
  std::filesystem::path next(const NameFields& fields);

 private:
  class Names;
  std::unique_ptr<Names> names_;
};

}  // namespace fmboost::tool
