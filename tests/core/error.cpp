#include "fmboost/core/error.h"

#include <gtest/gtest.h>

namespace fmboost {
namespace {

TEST(Error, CarriesTheExitCodeOfTheCommandLine) {
  EXPECT_EQ(static_cast<int>(Error("").code()), 1);
  EXPECT_EQ(static_cast<int>(UsageError("").code()), 2);
  EXPECT_EQ(static_cast<int>(Error("", ExitCode::items).code()), 3);
  EXPECT_EQ(static_cast<int>(ModelError("").code()), 4);
  EXPECT_EQ(static_cast<int>(MemoryError("").code()), 5);
  EXPECT_EQ(static_cast<int>(Interrupted().code()), 130);
}

TEST(Error, KeepsItsMessageAndCodeWhenCaughtAsTheBase) {
  try {
    throw ModelError("the bundle lacks a denoiser");
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the bundle lacks a denoiser");
    EXPECT_EQ(error.code(), ExitCode::model);
  }
}

}  // namespace
}  // namespace fmboost
