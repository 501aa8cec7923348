#include "io/file_hash.h"

#include <sys/stat.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// Identifies the version of the file; nanoseconds and inode detect a replacement within the same second.
std::string stamp_text(const fs::path& file, const std::string& hash) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    return {};
  }
  return std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec) + " " + std::to_string(status.st_ino) + " " + hash + "\n";
}

fs::path stamp_path(const fs::path& file) {
  const fs::path cache = user_cache_dir();
  std::error_code error;
  const fs::path full = fs::canonical(file, error);
  return cache.empty() || error ? fs::path() : cache / "hashes" / sha256(as_bytes(full.string()));
}

// The hash at the end of a stamp of this version of the file; empty if there is none.
std::string stamped_hash(const fs::path& stamp, const fs::path& file) {
  try {
    if (stamp.empty() || !fs::exists(stamp)) {
      return {};
    }
    const std::string text = read_text_file(stamp);
    const std::string hash = text.size() > 65 ? text.substr(text.size() - 65, 64) : "";
    return text == stamp_text(file, hash) ? hash : "";
  } catch (const std::exception&) {
    return {};
  }
}

// Without a writable cache every run checks again, which is slower but correct.
void write_stamp(const fs::path& stamp, const std::string& text) {
  if (stamp.empty() || text.empty()) {
    return;
  }
  try {
    fs::create_directories(stamp.parent_path());
    write_file_atomically(stamp, as_bytes(text));
  } catch (const std::exception&) {
  }
}

std::string hash_of(const fs::path& file) {
  try {
    return sha256_file(file);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

}  // namespace

std::string file_hash(const fs::path& file) {
  const fs::path stamp = stamp_path(file);
  std::string hash = stamped_hash(stamp, file);
  if (hash.empty()) {
    const std::string before = stamp_text(file, "");
    hash = hash_of(file);
    if (stamp_text(file, "") == before) {  // the file did not change in the meantime
      write_stamp(stamp, stamp_text(file, hash));
    }
  }
  return hash;
}

void check_file_hash(const fs::path& file, const std::string& expected, bool use_stamp) {
  const std::string found = use_stamp ? file_hash(file) : hash_of(file);
  if (found != expected) {
    throw ModelError("'" + file.string() + "' is damaged or was changed: expected SHA-256 " + expected +
                     " as in bundle.json, found " + found + "; get the bundle again");
  }
}

}  // namespace fmboost
