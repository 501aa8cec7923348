#include "fmboost/pipeline/batch_errors.h"

#include <gtest/gtest.h>
#include <new>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

TEST(EndsBatch, BrokenModelsAndInterruptsDo) {
  EXPECT_TRUE(ends_batch(ModelError("a missing file")));
  EXPECT_TRUE(ends_batch(Interrupted()));
}

TEST(EndsBatch, ErrorsOfOneImageDoNot) {
  EXPECT_FALSE(ends_batch(Error("the disk is full")));
  EXPECT_FALSE(ends_batch(UsageError("too small")));
  EXPECT_FALSE(ends_batch(MemoryError("too large")));
  EXPECT_FALSE(ends_batch(std::bad_alloc()));
  EXPECT_FALSE(ends_batch(std::runtime_error("anything else")));
}

}  // namespace
}  // namespace fmboost
