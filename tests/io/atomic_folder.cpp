#include "fmboost/io/atomic_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::thrown;
using testing::HasSubstr;

void fill(const AtomicFolder& folder, const std::string& text) {
  write_file_atomically(folder.path() / "marker", as_bytes(text));
}

std::vector<std::string> names(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    found.push_back(entry.path().filename().string());
  }
  return found;
}

TEST(AtomicFolder, AppearsWhenItIsComplete) {
  const TemporaryFolder base;
  AtomicFolder folder(base / "out/", "marker", false);
  fill(folder, "new");
  EXPECT_FALSE(fs::exists(base / "out"));
  folder.commit();
  EXPECT_EQ(read_text_file(base / "out" / "marker"), "new");
  EXPECT_THAT(names(base.path()), testing::ElementsAre("out"));
}

TEST(AtomicFolder, AbandonedFolderLeavesNothing) {
  const TemporaryFolder base;
  { fill(AtomicFolder(base / "out", "marker", false), "half"); }
  EXPECT_TRUE(fs::is_empty(base.path()));
}

TEST(AtomicFolder, ReplacesOnlyOnRequest) {
  const TemporaryFolder base;
  fs::create_directory(base / "out");
  write_file_atomically(base / "out" / "marker", as_bytes("old"));
  write_file_atomically(base / "out" / "more", as_bytes("old"));
  EXPECT_THAT(thrown<Error>([&] { AtomicFolder(base / "out", "marker", false); }),
              HasSubstr("use `force` to replace it"));
  AtomicFolder folder(base / "out", "marker", true);
  fill(folder, "new");
  EXPECT_EQ(read_text_file(base / "out" / "marker"), "old");
  folder.commit();
  EXPECT_THAT(names(base / "out"), testing::ElementsAre("marker"));
  EXPECT_EQ(read_text_file(base / "out" / "marker"), "new");
  EXPECT_THAT(names(base.path()), testing::ElementsAre("out"));
}

TEST(AtomicFolder, NeverReplacesAFolderOfAnotherKind) {
  const TemporaryFolder base;
  fs::create_directory(base / "images");
  write_file_atomically(base / "images" / "holiday.png", as_bytes("dear"));
  EXPECT_THAT(thrown<Error>([&] { AtomicFolder(base / "images", "marker", true); }), HasSubstr("not replaced"));
  write_file_atomically(base / "file", as_bytes("dear"));
  EXPECT_THAT(thrown<Error>([&] { AtomicFolder(base / "file", "marker", true); }), HasSubstr("not replaced"));
  fs::create_directory(base / "empty");
  AtomicFolder(base / "empty", "marker", true).commit();
  EXPECT_THAT(names(base.path()), testing::UnorderedElementsAre("images", "file", "empty"));
}

TEST(AtomicFolder, UnwritableFolderIsNamed) {
  const TemporaryFolder base;
  EXPECT_THAT(thrown<Error>([&] { AtomicFolder(base / "no" / "such", "marker", false); }), HasSubstr("no/such"));
}

}  // namespace
}  // namespace fmboost
