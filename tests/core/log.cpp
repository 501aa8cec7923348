#include "fmboost/core/log.h"

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

TEST(Log, PrefixesWarningsAndErrorsAndColoursNothingOffATerminal) {
  EXPECT_EQ(lines_at(Verbosity::normal), "did {} %s\nwarning: skipped\nerror: failed\n");
}

TEST(Log, ShowsErrorsAloneWhenQuiet) {
  EXPECT_EQ(lines_at(Verbosity::quiet), "error: failed\n");
}

TEST(Log, ShowsDebugLinesWhenVerbose) {
  EXPECT_EQ(lines_at(Verbosity::verbose), "looked\ndid {} %s\nwarning: skipped\nerror: failed\n");
  configure_logging(Verbosity::normal);
}

}  // namespace
}  // namespace fmboost
