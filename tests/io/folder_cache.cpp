#include "io/folder_cache.h"

#include <algorithm>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A cache of folders of 100 bytes each.
class FolderCache : public testing::Test {
 protected:
  // `hours`: how long ago it was used.
  void add(const std::string& name, int hours) const {
    fs::create_directories(cache_ / name / "inner");
    const std::string half(50, 'x');
    write_file_atomically(cache_ / name / "a", as_bytes(half));
    write_file_atomically(cache_ / name / "inner" / "b", as_bytes(half));
    fs::last_write_time(cache_ / name, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(cache_.path())) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  test::TemporaryFolder cache_;
};

TEST_F(FolderCache, KeepsTheMostRecentlyUsed) {
  add("new", 1);
  add("old", 3);
  add("older", 4);
  add("middle", 2);
  EXPECT_THAT(trim_folder_cache(cache_.path(), 250), ElementsAre(cache_ / "old", cache_ / "older"));
  EXPECT_THAT(names(), ElementsAre("middle", "new"));
  EXPECT_EQ(folder_bytes(cache_ / "new"), 100);
}

TEST_F(FolderCache, KeepsEverythingWithinTheLimit) {
  add("a", 1);
  add("b", 1000);
  EXPECT_THAT(trim_folder_cache(cache_.path(), 200), IsEmpty());
  EXPECT_THAT(trim_folder_cache(cache_ / "nowhere", 0), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("a", "b"));
}

TEST_F(FolderCache, KeepsFoldersInUse) {
  add("a", 3);
  add("b", 2);
  std::optional<FolderUse> use(cache_ / "a");
  trim_folder_cache(cache_.path(), 0);
  EXPECT_THAT(names(), ElementsAre("a"));
  use.reset();
  trim_folder_cache(cache_.path(), 0);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(FolderCache, UsingAFolderMakesItRecent) {
  add("a", 3);
  add("b", 2);
  { const FolderUse use(cache_ / "a"); }
  trim_folder_cache(cache_.path(), 100);
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(FolderCache, FolderRenamedDuringUseIsProtected) {
  add(".a.tmp-1-0", 2);
  const FolderUse use(cache_ / ".a.tmp-1-0");
  fs::rename(cache_ / ".a.tmp-1-0", cache_ / "a");
  trim_folder_cache(cache_.path(), 0);
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(FolderCache, IgnoresFiles) {
  write_file_atomically(cache_ / "file", as_bytes("content"));
  trim_folder_cache(cache_.path(), 0);
  EXPECT_THAT(names(), ElementsAre("file"));
}

TEST_F(FolderCache, NamesAMissingFolder) {
  EXPECT_THAT(thrown<Error>([&] { FolderUse(cache_ / "nowhere"); }), HasSubstr("nowhere"));
}

}  // namespace
}  // namespace fmboost
