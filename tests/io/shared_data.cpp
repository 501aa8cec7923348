#include "io/shared_data.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace fmboost {
namespace {

TEST(SharedData, IsFoundInAFolderAboveTheExecutable) {
  const auto found = find_shared_data("models/default/bundle.json");
  ASSERT_TRUE(found);
  EXPECT_TRUE(std::filesystem::equivalent(*found, std::filesystem::path(FMBOOST_DEFAULT_MODEL) / "bundle.json"));
}

TEST(SharedData, MissingFolderGivesNone) {
  EXPECT_FALSE(find_shared_data("models/no such model"));
}

}  // namespace
}  // namespace fmboost
