#include "core/control_group.h"

#include <gtest/gtest.h>

#include "fmboost/io/files.h"

#include "support/temporary_folder.h"

namespace fmboost {
namespace {

class ControlGroup : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    write_file_atomically(root_ / file, as_bytes(text));
  }
  std::optional<std::int64_t> available(const std::string& membership) const {
    return control_group_available(root_.path(), membership);
  }

  test::TemporaryFolder root_;
};

TEST_F(ControlGroup, AvailableMemoryIsTheLimitLessTheUsage) {
  write("memory.max", "1000000\n");
  write("memory.current", "400000\n");
  EXPECT_EQ(available("0::/\n"), 600000);
}

TEST_F(ControlGroup, ReclaimableFileCacheCountsAsFree) {
  write("memory.max", "1000000\n");
  write("memory.current", "900000\n");
  write("memory.stat", "anon 100000\nfile 800000\ninactive_file 700000\nactive_file 100000\n");
  EXPECT_EQ(available("0::/\n"), 800000);
}

TEST_F(ControlGroup, TightestParentLimitApplies) {
  write("job/memory.max", "500\n");
  write("job/memory.current", "100\n");
  write("job/step/memory.max", "max\n");
  write("job/step/memory.current", "50\n");
  write("job/step/task/memory.max", "450\n");
  write("job/step/task/memory.current", "10\n");
  EXPECT_EQ(available("0::/job/step/task\n"), 400);
}

TEST_F(ControlGroup, RootIsReadIfTheGroupIsNotVisible) {
  write("memory.max", "1000\n");
  write("memory.current", "300\n");
  EXPECT_EQ(available("0::/outside/of/the/container\n"), 700);
  EXPECT_EQ(available("0::/../sibling\n"), 700);
}

TEST_F(ControlGroup, VersionOneIsRead) {
  write("memory/job_7/memory.limit_in_bytes", "2000\n");
  write("memory/job_7/memory.usage_in_bytes", "1500\n");
  write("memory/job_7/memory.stat", "cache 900\ntotal_inactive_file 500\n");
  EXPECT_EQ(available("9:cpu,cpuacct:/\n4:memory:/job_7\n0::/\n"), 1000);
}

TEST_F(ControlGroup, IsNeverNegative) {
  write("memory.max", "100\n");
  write("memory.current", "150\n");
  EXPECT_EQ(available("0::/\n"), 0);
}

TEST_F(ControlGroup, NoLimitGivesNoValue) {
  EXPECT_EQ(available(""), std::nullopt);
  write("memory.max", "max\n");
  write("memory.current", "150\n");
  EXPECT_EQ(available("0::/\n"), std::nullopt);
}

}  // namespace
}  // namespace fmboost
