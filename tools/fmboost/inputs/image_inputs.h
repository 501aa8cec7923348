#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fmboost::tool {

/// One image to read.
struct InputImage {
  std::filesystem::path file;    ///< "-" for stdin
  std::string name;              ///< without suffix, for output names
  std::filesystem::path folder;  ///< of a file below a folder that was entered: its folder, relative to that one
};

struct InputOptions {
  bool recursive = false;          ///< enter the folders in a folder
  std::filesystem::path excluded;  ///< a folder that is never entered, such as that of the results
};

/// Files as given, folders as the image files in them (by suffix), sorted by name; "-" is stdin. One warning per folder
/// counts what was left out of it and why. A link that leads nowhere is an input, which fails when it is read. Throws
/// UsageError for a folder without images. Missing files are reported when they are read.
std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs, const InputOptions& options = {});

/// Makes the names of images in one folder unique where their suffixes differ: of photo.jpg and photo.png, the second
/// one keeps its suffix in its name.
void keep_suffixes_of_twins(std::vector<InputImage>& images);

}  // namespace fmboost::tool
