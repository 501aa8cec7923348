#include "fmboost/convert/import_cache.h"

#include "hash_stamps.h"
#include "imported_model.h"

#include "fmboost/core/atomic_folder.h"
#include "fmboost/core/error.h"
#include "fmboost/core/files.h"
#include "fmboost/core/log.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;

// Counts up when the same checkpoint gives another bundle.
constexpr const char* kVersion = "1";

bool is_complete(const fs::path& bundle) {
  return fs::exists(bundle / "bundle.json");
}

void import_into(const fs::path& bundle, const fs::path& checkpoint) {
  log_info(c10::str("'", checkpoint.string(), "' is a checkpoint, used for the first time: making a bundle of it in '",
                    bundle.string(), "'; `fmboost import` makes one with options of your own"));
  fs::create_directories(bundle.parent_path());
  AtomicFolder folder(bundle, "bundle.json", /*replace=*/true);
  ImportOptions options;
  options.source = checkpoint;
  const ImportReport report = import_model(options, folder.path());
  for (const auto& notice : report.notices) {
    log_warning(notice);
  }
  // Another process may have been quicker with the same file.
  if (!is_complete(bundle)) {
    folder.commit();
  }
}

}  // namespace

fs::path imported_bundle(const fs::path& checkpoint) {
  refuse_pickle(checkpoint);
  const fs::path cache = user_cache_dir();
  if (cache.empty()) {
    throw Error("there is no folder to keep a bundle of '" + checkpoint.string() +
                "' in: set XDG_CACHE_HOME or HOME, or make one with `fmboost import`");
  }
  const fs::path bundle = cache / "imports" / (file_hash(checkpoint).substr(0, 32) + "-" + kVersion);
  if (!is_complete(bundle)) {
    import_into(bundle, checkpoint);
  }
  return bundle;
}

}  // namespace fmboost
