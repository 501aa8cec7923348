#include "fmboost/core/log.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace fmboost {
namespace {

std::string lines_at(Verbosity verbosity) {
  testing::internal::CaptureStderr();
  configure_logging(verbosity);
  log_debug("looked");
  log_info("did {} %s");
  log_warning("skipped");
  log_error("failed");
  return testing::internal::GetCapturedStderr();
}

TEST(Log, WarningsAndErrorsArePrefixedWithoutColorsOffATerminal) {
  EXPECT_EQ(lines_at(Verbosity::normal), "did {} %s\nwarning: skipped\nerror: failed\n");
}

TEST(Log, QuietShowsOnlyErrors) {
  EXPECT_EQ(lines_at(Verbosity::quiet), "error: failed\n");
}

TEST(Log, ShowsDebugLinesWhenVerbose) {
  EXPECT_EQ(lines_at(Verbosity::verbose), "looked\ndid {} %s\nwarning: skipped\nerror: failed\n");
  configure_logging(Verbosity::normal);
}

// In a process of its own, in which nothing was configured. stdout is for data.
TEST(Log, GoesToStderrBeforeItIsConfigured) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto log_early = [] {
    log_debug("looked");
    log_warning("skipped");
    std::_Exit(0);
  };
  EXPECT_EXIT(log_early(), testing::ExitedWithCode(0), "^warning: skipped\n$");
  testing::FLAGS_gtest_death_test_style = "fast";
}

}  // namespace
}  // namespace fmboost
