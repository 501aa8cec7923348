#include "io/tar.h"

#include <csignal>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

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

std::string text_of(const std::string& archive, const TarMember& member) {
  return archive.substr(member.offset, member.size);
}

// One header block and its content as other writers make them.
std::string block(const std::string& name, char type, const std::string& content, const std::string& magic,
                  const std::string& size = "", const std::string& prefix = "") {
  std::string header(512, '\0');
  char octal[12];
  std::snprintf(octal, sizeof octal, "%011lo", static_cast<unsigned long>(content.size()));
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, size.empty() ? 11 : size.size(), size.empty() ? std::string(octal) : size);
  header.replace(148, 8, "        ");
  header[156] = type;
  header.replace(257, magic.size(), magic);
  header.replace(345, prefix.size(), prefix);
  unsigned sum = 0;
  for (const unsigned char byte : header) {
    sum += byte;
  }
  std::snprintf(octal, sizeof octal, "%06o", sum);
  header.replace(148, 7, octal, 7);
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

const std::string kUstar(
    "ustar\0"
    "00",
    8);
const std::string kGnu("ustar  \0", 8);
const std::string kEnd(1024, '\0');

std::string written(const fs::path& file) {
  TarWriter writer(file);
  writer.add("a.json", as_bytes("{}"));
  writer.add("a.latent.npy", as_bytes(std::string(5000, 'x')));
  writer.add("b.empty", {});
  const std::size_t size = writer.commit();
  EXPECT_EQ(size, fs::file_size(file));
  return read_text_file(file);
}

TEST(Tar, ReturnsTheWrittenMembers) {
  const TemporaryFolder folder;
  const std::string archive = written(folder / "a.tar");
  const auto members = index_tar(as_bytes(archive), "a.tar");
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[0].name, "a.json");
  EXPECT_EQ(text_of(archive, members[0]), "{}");
  EXPECT_EQ(members[1].name, "a.latent.npy");
  EXPECT_EQ(text_of(archive, members[1]), std::string(5000, 'x'));
  EXPECT_EQ(members[2].size, 0U);
}

TEST(Tar, WritesTheSameBytesEveryTime) {
  const TemporaryFolder folder;
  EXPECT_EQ(written(folder / "a.tar"), written(folder / "b.tar"));
  EXPECT_EQ(fs::file_size(folder / "a.tar") % 10240, 0U);
}

TEST(Tar, NothingRemainsWithoutCommit) {
  const TemporaryFolder folder;
  {
    TarWriter writer(folder / "a.tar");
    writer.add("a", as_bytes(std::string(3'000'000, 'x')));
    EXPECT_FALSE(fs::exists(folder / "a.tar"));
    EXPECT_FALSE(fs::is_empty(folder.path()));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Tar, FullDiskErrorNamesFileAndReason) {
  const TemporaryFolder folder;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{2'000'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = thrown<Error>([&] {
    TarWriter writer(folder / "a.tar");
    for (int i = 0; i < 100; ++i) {
      writer.add(std::to_string(i), as_bytes(std::string(100'000, 'x')));
    }
    writer.commit();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, AllOf(HasSubstr("a.tar"), HasSubstr("File too large")));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Tar, UnwritablePathErrorNamesFileAndReason) {
  const TemporaryFolder folder;
  EXPECT_THAT(thrown<Error>([&] { TarWriter writer(folder / "none" / "a.tar"); }),
              AllOf(HasSubstr("none/a.tar"), HasSubstr("No such file")));
}

TEST(Tar, WritesAndReadsLongNames) {
  const TemporaryFolder folder;
  const std::string name = std::string(150, 'd') + "/" + std::string(200, 'n') + ".latent.npy";
  TarWriter writer(folder / "a.tar");
  writer.add(name, as_bytes("abc"));
  writer.commit();
  const std::string archive = read_text_file(folder / "a.tar");
  const auto members = index_tar(as_bytes(archive), "a.tar");
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].name, name);
  EXPECT_EQ(text_of(archive, members[0]), "abc");
}

TEST(Tar, ReadsTheDialectsOfOtherWriters) {
  const std::string long_name = std::string(300, 'n') + ".npy";
  const std::string path_record = "308 path=" + long_name.substr(0, 298) + "\n";
  const std::string base256("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12);
  const std::string archive = block("folder/", '5', "", kUstar) + block("v7", '\0', "one", "") +
                              block("name", '0', "two", kUstar, "", "deep/folder") +
                              block("name", '0', "gnu", kGnu, base256, std::string("\0\0\0", 3)) +
                              block("././@LongLink", 'L', long_name + '\0', kGnu) + block("cut", '0', "three", kGnu) +
                              block("pax_global", 'g', "18 comment=global\n", kUstar) +
                              block("PaxHeaders/x", 'x', path_record + "9 size=4\n", kUstar) +
                              block("cut", '0', "four", kUstar, "00000000000") + block("link", '2', "", kUstar) + kEnd;
  const auto members = index_tar(as_bytes(archive), "a.tar");
  ASSERT_EQ(members.size(), 5U);
  EXPECT_EQ(members[0].name, "v7");
  EXPECT_EQ(text_of(archive, members[0]), "one");
  EXPECT_EQ(members[1].name, "deep/folder/name");
  EXPECT_EQ(text_of(archive, members[1]), "two");
  EXPECT_EQ(members[2].name, "name");
  EXPECT_EQ(text_of(archive, members[2]), "gnu");
  EXPECT_EQ(members[3].name, long_name);
  EXPECT_EQ(text_of(archive, members[3]), "three");
  EXPECT_EQ(members[4].name, long_name.substr(0, 298));
  EXPECT_EQ(text_of(archive, members[4]), "four");
}

TEST(Tar, FindsEveryTruncation) {
  const TemporaryFolder folder;
  const std::string archive = written(folder / "a.tar");
  const std::size_t end = 512 + 512 + 512 + 5120 + 512;  // of the last member; closing blocks follow
  for (std::size_t size = 1; size <= end; size += 37) {
    EXPECT_THAT(thrown<Error>([&] { index_tar(as_bytes(archive.substr(0, size)), "a.tar"); }),
                AllOf(HasSubstr("a.tar"), HasSubstr("truncated")))
        << size;
  }
  EXPECT_THAT(thrown<Error>([&] { index_tar(as_bytes(archive.substr(0, 4000)), "a.tar"); }),
              AllOf(HasSubstr("'a.latent.npy' needs 5000 bytes"), HasSubstr("2464 are left")));
  EXPECT_THAT(thrown<Error>([&] { index_tar(as_bytes(archive.substr(0, end)), "a.tar"); }),
              AllOf(HasSubstr("closing block"), HasSubstr("after 'b.empty'")));
}

TEST(Tar, ForeignOrDamagedFilesAreRefused) {
  const auto error_for = [](const std::string& bytes) {
    return thrown<Error>([&] { index_tar(as_bytes(bytes), "a.tar"); });
  };
  EXPECT_THAT(error_for(""), HasSubstr("is empty"));
  EXPECT_THAT(error_for(std::string(2000, 'x')), HasSubstr("not a tar archive"));
  EXPECT_THAT(error_for("\x1f\x8b" + std::string(2000, 'x')), HasSubstr("compressed"));
  EXPECT_THAT(error_for("\x28\xb5\x2f\xfd" + std::string(2000, 'x')), HasSubstr("compressed"));
  const std::string good = block("good", '0', "abc", kUstar);
  EXPECT_THAT(error_for(good + std::string(1024, 'x')), AllOf(HasSubstr("at byte 1024"), HasSubstr("after 'good'")));
  EXPECT_THAT(error_for(block("bad", '0', "", kUstar, "99999999999") + kEnd), HasSubstr("no readable size"));
  EXPECT_THAT(error_for(block("bad", '0', "", kUstar, std::string(12, '\xff')) + kEnd), HasSubstr("impossible size"));
  EXPECT_THAT(error_for(block("bad", '0', "", kUstar, "77777777777") + kEnd), HasSubstr("truncated"));
  EXPECT_THAT(error_for(block("p", 'x', "999 path=a\n", kUstar) + good + kEnd), HasSubstr("extended header"));
  EXPECT_THAT(error_for(block("p", 'x', "1 \n", kUstar) + good + kEnd), HasSubstr("extended header"));
  EXPECT_THAT(error_for(block("s", 'S', "abc", kGnu) + kEnd), HasSubstr("sparse"));
}

}  // namespace
}  // namespace fmboost
