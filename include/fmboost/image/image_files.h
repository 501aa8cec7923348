#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace fmboost {

/// Whether the name has the suffix of a format that decode_image() supports, in any case.
bool has_image_suffix(const std::filesystem::path& file);

/// Why an entry of a folder is left out.
enum class LeftOut {
  other_suffix,   ///< its suffix is not that of an image
  hidden,         ///< an image whose name begins with a dot, such as the "._photo.jpg" of macOS
  not_a_file,     ///< a FIFO, socket or device
  broken,         ///< a link that is dangling or looped, or an image that may not be read
  folder,         ///< a folder that is not entered
  linked_folder,  ///< a link to a folder
  unreadable,     ///< a folder that may not be read
};
inline constexpr std::size_t kLeftOutKinds = 7;

/// Entries left out for one reason.
struct LeftOutEntries {
  std::size_t count = 0;
  std::vector<std::filesystem::path> first;  ///< a few of them, relative to the folder
};

/// The images in a folder.
struct FolderImages {
  std::vector<std::filesystem::path> files;          ///< relative to the folder, sorted
  std::vector<std::filesystem::path> broken;         ///< of LeftOut::broken all, sorted
  std::array<LeftOutEntries, kLeftOutKinds> others;  ///< by LeftOut
};

/// Lists the images in a folder by their suffix, and what is left out. Links to files are followed, links to folders
/// are not; hidden folders are never entered, nor is `excluded`. With `recursive`, subfolders are entered. Throws Error
/// if the folder cannot be read; an entry that cannot be examined is left out.
FolderImages list_images(const std::filesystem::path& folder, bool recursive,
                         const std::filesystem::path& excluded = {});

/// One line that counts what was left out and why, with some names; empty if nothing was.
std::string left_out_notice(const FolderImages& images, const std::filesystem::path& folder);

/// The images in a folder and its subfolders, as sorted relative paths. Logs left_out_notice() as a warning. Throws like
/// list_images().
std::vector<std::filesystem::path> image_files_below(const std::filesystem::path& folder);

}  // namespace fmboost
