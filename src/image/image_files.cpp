#include "fmboost/image/image_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"

namespace fmboost {

namespace fs = std::filesystem;

bool has_image_suffix(const fs::path& file) {
  constexpr std::array<std::string_view, 22> kSuffixes{
      ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib",
      ".gif", ".tga",  ".psd", ".pic",  ".pnm", ".ppm",  ".pgm",  ".pbm", ".pam",  ".avif", ".jxl"};
  std::string suffix = file.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

namespace {

constexpr std::size_t kShownNames = 3;

bool is_hidden(const fs::path& entry) {
  return entry.filename().native().front() == '.';
}

/// Collects the entries of one folder and of those below it.
class FolderLister {
 public:
  FolderLister(bool recursive, const fs::path& excluded) : recursive_(recursive), excluded_(excluded) {}

  void list(const fs::path& folder, const fs::path& prefix, std::error_code& error) {
    auto entry = fs::directory_iterator(folder, error);
    std::vector<fs::path> folders;
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      add(*entry, prefix / entry->path().filename(), folders);
    }
    for (const auto& below : folders) {
      std::error_code failed;
      list(folder / below, prefix / below, failed);
      if (failed) {
        leave_out(LeftOut::unreadable, prefix / below);
      }
    }
  }

  FolderImages take() {
    std::sort(found_.files.begin(), found_.files.end());
    std::sort(found_.broken.begin(), found_.broken.end());
    return std::move(found_);
  }

 private:
  void leave_out(LeftOut reason, const fs::path& name) {
    LeftOutEntries& entries = found_.others[static_cast<std::size_t>(reason)];
    if (++entries.count <= kShownNames) {
      entries.first.push_back(name);
    }
  }

  void add(const fs::directory_entry& entry, const fs::path& name, std::vector<fs::path>& folders) {
    std::error_code error;
    const bool link = entry.is_symlink(error);
    const fs::file_status status = entry.status(error);
    const bool image = has_image_suffix(name);
    if (fs::is_directory(status)) {
      add_folder(entry.path(), name, link, folders);
    } else if (!image) {
      if (!is_hidden(name)) {
        leave_out(LeftOut::other_suffix, name);
      }
    } else if (is_hidden(name)) {
      leave_out(LeftOut::hidden, name);
    } else if (!fs::exists(status)) {
      leave_out(LeftOut::broken, name);
      found_.broken.push_back(name);
    } else if (!fs::is_regular_file(status)) {
      leave_out(LeftOut::not_a_file, name);
    } else {
      found_.files.push_back(name);
    }
  }

  void add_folder(const fs::path& path, const fs::path& name, bool link, std::vector<fs::path>& folders) {
    if (is_hidden(name)) {
      return;
    }
    std::error_code error;
    if (!recursive_ || (!excluded_.empty() && fs::equivalent(path, excluded_, error))) {
      leave_out(LeftOut::folder, name);
    } else if (link) {
      leave_out(LeftOut::linked_folder, name);
    } else {
      folders.push_back(name.filename());
    }
  }

  bool recursive_;
  fs::path excluded_;
  FolderImages found_;
};

struct ReasonText {
  const char* one;
  const char* several;
};

ReasonText text_of(LeftOut reason) {
  switch (reason) {
    case LeftOut::other_suffix:
      return {"file without the suffix of an image", "files without the suffix of an image"};
    case LeftOut::hidden:
      return {"hidden image", "hidden images"};
    case LeftOut::not_a_file:
      return {"entry that is not a regular file", "entries that are not regular files"};
    case LeftOut::broken:
      return {"link that leads nowhere", "links that lead nowhere"};
    case LeftOut::folder:
      return {"folder that is not entered", "folders that are not entered"};
    case LeftOut::linked_folder:
      return {"link to a folder", "links to folders"};
    case LeftOut::unreadable:
      return {"folder that cannot be read", "folders that cannot be read"};
  }
  return {"", ""};
}

std::string names_of(const LeftOutEntries& entries) {
  std::string names;
  for (const auto& name : entries.first) {
    names += (names.empty() ? "" : ", ") + name.string();
  }
  return " (" + names + (entries.count > entries.first.size() ? ", ..." : "") + ")";
}

}  // namespace

FolderImages list_images(const fs::path& folder, bool recursive, const fs::path& excluded) {
  FolderLister lister(recursive, excluded);
  std::error_code error;
  lister.list(folder, {}, error);
  if (error) {
    throw Error("cannot read the folder '" + folder.string() + "': " + error.message());
  }
  return lister.take();
}

std::string left_out_notice(const FolderImages& images, const fs::path& folder) {
  std::string text;
  for (std::size_t i = 0; i < images.others.size(); ++i) {
    const LeftOutEntries& entries = images.others[i];
    if (entries.count > 0) {
      const ReasonText reason = text_of(static_cast<LeftOut>(i));
      text += (text.empty() ? "" : ", ") + std::to_string(entries.count) + " " +
              (entries.count == 1 ? reason.one : reason.several) + names_of(entries);
    }
  }
  return text.empty() ? text : "left out of the folder '" + folder.string() + "': " + text;
}

std::vector<fs::path> image_files_below(const fs::path& folder) {
  FolderImages images = list_images(folder, /*recursive=*/true);
  if (const std::string notice = left_out_notice(images, folder); !notice.empty()) {
    log_warning(notice);
  }
  return std::move(images.files);
}

}  // namespace fmboost
