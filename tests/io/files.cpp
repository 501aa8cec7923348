#include "fmboost/io/files.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "fmboost/core/error.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

std::ptrdiff_t entries_in(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

TEST(ReadFile, ReturnsTheWrittenBytes) {
  const TemporaryFolder folder;
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * 7 % 251);
  }
  write_file_atomically(folder / "big", as_bytes(content));
  EXPECT_TRUE(read_text_file(folder / "big") == content);
  EXPECT_EQ(read_file(folder / "big").size(), content.size());
  write_file_atomically(folder / "empty", {});
  EXPECT_TRUE(read_file(folder / "empty").empty());
}

TEST(ReadFile, ErrorNamesFileAndReason) {
  const TemporaryFolder folder;
  EXPECT_THAT(thrown<Error>([&] { read_file(folder / "missing.png"); }),
              AllOf(HasSubstr("missing.png"), HasSubstr("No such file")));
  EXPECT_THAT(thrown<Error>([&] { read_file(folder.path()); }),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("it is a folder")));
}

TEST(ReadFile, AcceptsFilesUpToTheLimit) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("12345"));
  EXPECT_EQ(read_file(folder / "a", 5).size(), 5U);
  EXPECT_THAT(thrown<Error>([&] { read_file(folder / "a", 4); }), AllOf(HasSubstr("/a'"), HasSubstr("4 bytes")));
}

TEST(ReadFile, HugeFilesAreRefusedBeforeReading) {
  const TemporaryFolder folder;
  std::ofstream(folder / "sparse").flush();
  fs::resize_file(folder / "sparse", std::uintmax_t{1} << 42);
  EXPECT_THAT(thrown<Error>([&] { read_file(folder / "sparse"); }), HasSubstr("larger than"));
}

TEST(ReadFile, EndlessFileStopsAtTheLimit) {
  EXPECT_THAT(thrown<Error>([] { read_file("/dev/zero", 1 << 20); }), HasSubstr("1048576 bytes"));
}

TEST(WriteFile, ReplacesAnExistingFileWhenAllowed) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("old and longer"));
  write_file_atomically(folder / "a", as_bytes("new"));
  EXPECT_EQ(read_text_file(folder / "a"), "new");
  EXPECT_EQ(entries_in(folder.path()), 1);
}

TEST(WriteFile, KeepsAnExistingFileByDefault) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("old"), false);
  EXPECT_THAT(thrown<Error>([&] { write_file_atomically(folder / "a", as_bytes("new"), false); }),
              AllOf(HasSubstr("/a'"), HasSubstr("File exists")));
  EXPECT_EQ(read_text_file(folder / "a"), "old");
  EXPECT_EQ(entries_in(folder.path()), 1);
}

TEST(WriteFile, OneOfTwoWritersWinsWithoutReplacing) {
  const TemporaryFolder folder;
  std::atomic<int> written{0};
  const auto write = [&](const std::string& text) {
    try {
      write_file_atomically(folder / "a", as_bytes(text), false);
      ++written;
    } catch (const Error&) {
    }
  };
  std::thread first(write, std::string(100'000, 'x'));
  std::thread second(write, std::string(100'000, 'y'));
  first.join();
  second.join();
  EXPECT_EQ(written, 1);
  EXPECT_EQ(entries_in(folder.path()), 1);
  EXPECT_EQ(read_file(folder / "a").size(), 100'000U);
}

TEST(WriteFile, UnwritableTargetLeavesNoTemporary) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "taken");
  write_file_atomically(folder / "file", {});
  EXPECT_THAT(thrown<Error>([&] { write_file_atomically(folder / "taken", as_bytes("x")); }), HasSubstr("taken'"));
  EXPECT_THAT(thrown<Error>([&] { write_file_atomically(folder / "no/a", as_bytes("x")); }),
              AllOf(HasSubstr("no/a'"), HasSubstr("No such file")));
  EXPECT_THAT(thrown<Error>([&] { write_file_atomically(folder / "file/a", as_bytes("x")); }),
              HasSubstr("Not a directory"));
  EXPECT_EQ(entries_in(folder.path()), 2);
}

// A limit on file sizes stands in for a full disk: part of the file is written, then writing fails.
TEST(WriteFile, FailureHalfwayLeavesNothing) {
  const TemporaryFolder folder;
  const auto write_under_limit = [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto message = thrown<Error>([&] { write_file_atomically(folder / "a", as_bytes(std::string(8192, 'x'))); });
    std::_Exit(message.find("File too large") != std::string::npos ? 0 : 1);
  };
  EXPECT_EXIT(write_under_limit(), testing::ExitedWithCode(0), "");
  EXPECT_EQ(entries_in(folder.path()), 0);
}

TEST(WriteFile, FailureHalfwayKeepsThePreviousFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("old"));
  const auto write_under_limit = [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    thrown<Error>([&] { write_file_atomically(folder / "a", as_bytes(std::string(8192, 'x'))); });
    std::_Exit(0);
  };
  EXPECT_EXIT(write_under_limit(), testing::ExitedWithCode(0), "");
  EXPECT_EQ(read_text_file(folder / "a"), "old");
  EXPECT_EQ(entries_in(folder.path()), 1);
}

TEST(WriteFile, IgnoresTemporariesOfAKilledProcessWithTheSameId) {
  const TemporaryFolder folder;
  for (int i = 0; i < 500; ++i) {
    std::ofstream(folder / (".a.tmp-" + std::to_string(::getpid()) + "-" + std::to_string(i))).flush();
  }
  write_file_atomically(folder / "a", as_bytes("text"));
  EXPECT_EQ(read_text_file(folder / "a"), "text");
  EXPECT_EQ(entries_in(folder.path()), 501);
}

TEST(WriteFile, AcceptsTheLongestNamesOfTheFileSystem) {
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  write_file_atomically(folder / name, as_bytes("text"));
  EXPECT_EQ(read_text_file(folder / name), "text");
}

TEST(WriteFile, AcceptsNamesWithoutAFolder) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_file_atomically("bare.txt", as_bytes("text"));
  fs::current_path(before);
  EXPECT_EQ(read_text_file(folder / "bare.txt"), "text");
}

TEST(AtomicFile, CommitShowsTheWholeFileUnderItsName) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write(as_bytes("one "));
  file.write(as_bytes("two"));
  EXPECT_FALSE(fs::exists(folder / "a"));
  file.commit();
  EXPECT_EQ(read_text_file(folder / "a"), "one two");
  EXPECT_EQ(entries_in(folder.path()), 1);
}

TEST(AtomicFile, NothingRemainsWithoutCommit) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("before"));
  {
    AtomicFile file(folder / "a");
    file.write(as_bytes("half"));
    EXPECT_EQ(entries_in(folder.path()), 2);
  }
  EXPECT_EQ(entries_in(folder.path()), 1);
  EXPECT_EQ(read_text_file(folder / "a"), "before");
}

TEST(AtomicFile, ExistingFileIsRefusedUnlessReplacing) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("before"));
  {
    AtomicFile file(folder / "a");
    EXPECT_THAT(thrown<Error>([&] { file.commit(/*replace=*/false); }), AllOf(HasSubstr("/a'"), HasSubstr("exists")));
  }
  EXPECT_EQ(entries_in(folder.path()), 1);
  EXPECT_EQ(read_text_file(folder / "a"), "before");
}

TEST(RemoveTemporaries, RemovesTheTemporariesOfOneFile) {
  const TemporaryFolder folder;
  for (const char* name : {"a", ".a.tmp-12-0", ".a.tmp-99999-7", ".b.tmp-12-0", ".a.tmp", "a.tmp-1-1"}) {
    std::ofstream(folder / name).flush();
  }
  remove_temporaries(folder / "a");
  EXPECT_FALSE(fs::exists(folder / ".a.tmp-12-0"));
  EXPECT_FALSE(fs::exists(folder / ".a.tmp-99999-7"));
  EXPECT_EQ(entries_in(folder.path()), 4);
  EXPECT_NO_THROW(remove_temporaries(folder / "missing" / "a"));
}

TEST(MappedFile, OutlivesTheRemovalOfItsName) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", as_bytes("mapped"));
  const MappedFile mapped(folder / "a");
  fs::remove(folder / "a");
  const auto bytes = mapped.bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "mapped");
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", {});
  EXPECT_TRUE(MappedFile(folder / "a").bytes().empty());
}

TEST(MappedFile, ErrorNamesFileAndReason) {
  const TemporaryFolder folder;
  EXPECT_THAT(thrown<Error>([&] { MappedFile(folder / "missing"); }),
              AllOf(HasSubstr("missing"), HasSubstr("No such file")));
  EXPECT_THAT(thrown<Error>([&] { MappedFile(folder.path()); }), HasSubstr("it is a folder"));
}

// Restores an environment variable at the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    const char* old = std::getenv(name);
    old_ = old != nullptr ? std::optional<std::string>(old) : std::nullopt;
    ::setenv(name, value, 1);
  }
  ~Variable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(UserCacheDir, FollowsTheBaseDirectorySpecification) {
  const Variable home("HOME", "/home/someone");
  {
    const Variable cache("XDG_CACHE_HOME", "/elsewhere");
    EXPECT_EQ(user_cache_dir(), "/elsewhere/fmboost");
  }
  const Variable cache("XDG_CACHE_HOME", "relative");
  EXPECT_EQ(user_cache_dir(), "/home/someone/.cache/fmboost");
  const Variable no_home("HOME", "");
  EXPECT_TRUE(user_cache_dir().empty());
}

TEST(ExecutableDir, ContainsThisTest) {
  EXPECT_TRUE(fs::exists(executable_dir() / "fmboost_test_core"));
}

}  // namespace
}  // namespace fmboost
