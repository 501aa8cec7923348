#include "io/file_hash.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

class FileHash : public testing::Test {
 protected:
  FileHash() {
    ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1);
    write("content");
  }
  ~FileHash() override { ::unsetenv("XDG_CACHE_HOME"); }

  void write(const std::string& text) const { write_file_atomically(file(), as_bytes(text)); }
  fs::path file() const { return folder_ / "file"; }
  // The one stamp there is.
  fs::path stamp() const { return fs::directory_iterator(cache_ / "fmboost" / "hashes")->path(); }

  test::TemporaryFolder folder_, cache_;
};

TEST_F(FileHash, IsTheSha256) {
  EXPECT_EQ(file_hash(file()), sha256_file(file()));
  EXPECT_EQ(file_hash(file()), sha256_file(file())) << "and again, by its stamp";
}

TEST_F(FileHash, UnchangedFileUsesTheStamp) {
  file_hash(file());
  std::string text = read_text_file(stamp());
  const std::string other(64, '7');
  text.replace(text.size() - 65, 64, other);
  write_file_atomically(stamp(), as_bytes(text));
  EXPECT_EQ(file_hash(file()), other);
  write("changed");
  EXPECT_EQ(file_hash(file()), sha256(as_bytes("changed")));
}

TEST_F(FileHash, DamagedStampIsIgnored) {
  const std::string sound = file_hash(file());
  for (const char* text : {"", "x", "7 1.1 1 zz\n"}) {
    write_file_atomically(stamp(), as_bytes(text));
    EXPECT_EQ(file_hash(file()), sound) << text;
  }
}

TEST_F(FileHash, WorksWithoutACache) {
  ::setenv("XDG_CACHE_HOME", (folder_ / "file" / "no-folder").c_str(), 1);
  EXPECT_EQ(file_hash(file()), sha256_file(file()));
}

TEST_F(FileHash, ChangedFileErrorNamesBothHashes) {
  const std::string wanted(64, '0');
  EXPECT_THAT(thrown<ModelError>([&] { check_file_hash(file(), wanted, /*use_stamp=*/true); }),
              AllOf(HasSubstr(file().string()), HasSubstr(wanted), HasSubstr(sha256_file(file()))));
  check_file_hash(file(), sha256_file(file()), /*use_stamp=*/false);
  EXPECT_THAT(thrown<ModelError>([&] { file_hash(folder_ / "missing"); }), HasSubstr("missing"));
}

}  // namespace
}  // namespace fmboost
