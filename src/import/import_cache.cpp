#include "fmboost/import/import_cache.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/io/atomic_folder.h"
#include "fmboost/io/files.h"

#include "import/imported_model.h"
#include "io/file_hash.h"
#include "io/folder_cache.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// Incremented when an import of the same checkpoint would give a different bundle.
constexpr const char* kVersion = "1";

constexpr double kGibibyte = 1 << 30;
constexpr auto kDefaultLimit = static_cast<std::int64_t>(20 * kGibibyte);

bool is_complete(const fs::path& bundle) {
  return fs::exists(bundle / "bundle.json");
}

// Until the process ends, no other process removes the folder.
void keep_in_use(const fs::path& folder) {
  static std::vector<std::unique_ptr<FolderUse>> uses;
  uses.push_back(std::make_unique<FolderUse>(folder));
}

void import_into(const fs::path& bundle, const fs::path& checkpoint) {
  log_info(c10::str("importing the checkpoint '", checkpoint.string(), "', used for the first time, into '",
                    bundle.string(), "'; `fmboost import` imports with other options"));
  fs::create_directories(bundle.parent_path());
  AtomicFolder folder(bundle, "bundle.json", /*replace=*/true);
  keep_in_use(folder.path());
  ImportOptions options;
  options.source = checkpoint;
  const ImportReport report = import_model(options, folder.path());
  for (const auto& notice : report.notices) {
    log_warning(notice);
  }
  // Another process may have imported the same file in the meantime.
  if (!is_complete(bundle)) {
    folder.commit();
  }
}

// The limit of the cache in bytes.
std::int64_t cache_limit() {
  const char* text = std::getenv("FMBOOST_IMPORT_CACHE_GIB");
  if (text == nullptr || *text == '\0') {
    return kDefaultLimit;
  }
  char* end = nullptr;
  const double gibibytes = std::strtod(text, &end);
  if (*end != '\0' || !(gibibytes >= 0 && gibibytes < 1e9)) {
    throw UsageError("FMBOOST_IMPORT_CACHE_GIB must be a number of GiB, got '" + std::string(text) + "'");
  }
  return static_cast<std::int64_t>(gibibytes * kGibibyte);
}

void trim(const fs::path& cache, const fs::path& bundle, std::int64_t limit) {
  log_info("the bundle takes " + format_bytes(folder_bytes(bundle)) + "; the cache keeps the most recently used " +
           format_bytes(limit) + " (FMBOOST_IMPORT_CACHE_GIB)");
  for (const auto& removed : trim_folder_cache(cache, limit)) {
    log_info("removed '" + removed.string() + "' from the cache");
  }
}

}  // namespace

fs::path imported_bundle(const fs::path& checkpoint) {
  check_weight_file(checkpoint);
  const fs::path cache = user_cache_dir();
  if (cache.empty()) {
    throw Error("there is no cache folder for a bundle of '" + checkpoint.string() +
                "': set XDG_CACHE_HOME or HOME, or make a bundle with `fmboost import`");
  }
  const std::int64_t limit = cache_limit();
  fs::path bundle = cache / "imports" / (file_hash(checkpoint).substr(0, 32) + "-" + kVersion);
  if (is_complete(bundle)) {
    keep_in_use(bundle);
  }
  if (!is_complete(bundle)) {  // never imported, or just removed
    import_into(bundle, checkpoint);
    keep_in_use(bundle);
    trim(bundle.parent_path(), bundle, limit);
  }
  return bundle;
}

}  // namespace fmboost
