#include "fmboost/core/memory_probe.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

torch::Tensor mebibytes(std::int64_t count) {
  return torch::empty({count * kMiB}, torch::kUInt8);
}

TEST(PeakTensorMemory, IsTheLargestSumOfLiveTensors) {
  const auto one_after_the_other = [] {
    mebibytes(3);
    mebibytes(5);
    mebibytes(2);
  };
  EXPECT_EQ(peak_tensor_memory(torch::kCPU, one_after_the_other), 5 * kMiB);
  const auto together = [] {
    const auto first = mebibytes(3);
    const auto second = mebibytes(5);
  };
  EXPECT_EQ(peak_tensor_memory(torch::kCPU, together), 8 * kMiB);
}

TEST(PeakTensorMemory, EarlierTensorsDoNotCount) {
  const auto before = mebibytes(4);
  EXPECT_EQ(peak_tensor_memory(torch::kCPU, [&] { mebibytes(3).copy_(before.slice(0, 0, 3 * kMiB)); }), 3 * kMiB);
  EXPECT_EQ(peak_tensor_memory(torch::kCPU, [] {}), 0);
}

TEST(PeakTensorMemory, WorksAgainAfterAnError) {
  EXPECT_THROW(peak_tensor_memory(torch::kCPU, [] { throw Error("no"); }), Error);
  EXPECT_EQ(peak_tensor_memory(torch::kCPU, [] { mebibytes(1); }), kMiB);
}

TEST(OutOfMemory, IsRecognizedFromAnyAllocator) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(MemoryError("an image needs 12 GiB")));
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("CUDA out of memory. Tried to allocate 2 GiB")));
  EXPECT_FALSE(is_out_of_memory(Error("no image")));
  try {
    torch::empty({std::int64_t{1} << 60}, torch::kUInt8);
    ADD_FAILURE() << "there was memory";
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
}

TEST(FormatBytes, PicksTheUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536 * kMiB), "1.5 GiB");
  EXPECT_EQ(format_bytes(std::int64_t{1} << 52), "4096.0 TiB");
}

}  // namespace
}  // namespace fmboost
