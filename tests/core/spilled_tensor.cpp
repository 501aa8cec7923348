#include "core/spilled_tensor.h"

#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

TEST(SpilledTensor, KeepsItsValuesWhenItsPagesAreReleased) {
  torch::Tensor spilled = spilled_tensor({1, 3, 500, 700}, torch::kFloat32);
  const torch::Tensor values = torch::rand({1, 3, 500, 700});
  spilled.copy_(values);
  release_spilled_pages();
  EXPECT_TRUE(torch::equal(spilled, values));
  EXPECT_TRUE(is_spilled(spilled.slice(2, 499).slice(3, 699)));
  EXPECT_FALSE(is_spilled(values));
}

TEST(SpilledTensor, HasTheLayoutThatIsAskedFor) {
  const torch::Tensor spilled = spilled_tensor({1, 3, 5, 7}, torch::kBFloat16, at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(spilled.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(spilled.scalar_type(), torch::kBFloat16);
}

TEST(SpilledTensor, BecomesFloat32InAFile) {
  torch::Tensor spilled = spilled_tensor({1, 3, 600, 7}, torch::kBFloat16);
  spilled.copy_(torch::rand({1, 3, 600, 7}));
  const torch::Tensor converted = spilled_to_float32(spilled);
  EXPECT_TRUE(is_spilled(converted));
  EXPECT_TRUE(torch::equal(converted, spilled.to(torch::kFloat32)));
}

TEST(SpilledTensor, LeavesNoFile) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "fmboost-spill";
  std::filesystem::create_directories(folder);
  ::setenv("TMPDIR", folder.c_str(), 1);
  EXPECT_GT(spill_room(), 0);
  const torch::Tensor spilled = spilled_tensor({1000}, torch::kFloat32);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  ::unsetenv("TMPDIR");
}

TEST(SpilledTensor, ReservesItsRoomOrNamesTheFolder) {
  EXPECT_THAT(thrown<Error>([] { spilled_tensor({std::int64_t{1} << 54}, torch::kFloat32); }),
              AllOf(HasSubstr("TiB"), HasSubstr("/var/tmp"), HasSubstr("TMPDIR")));
  ::setenv("TMPDIR", "/missing", 1);
  EXPECT_EQ(spill_room(), 0);
  EXPECT_THAT(thrown<Error>([] { spilled_tensor({5}, torch::kFloat32); }), HasSubstr("'/missing'"));
  ::unsetenv("TMPDIR");
}

}  // namespace
}  // namespace fmboost
