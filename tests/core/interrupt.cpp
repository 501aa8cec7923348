#include "fmboost/core/interrupt.h"

#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// The flag cannot be taken back: every case runs in a process of its own.

int exit_code_after(int signal_number) {
  install_interrupt_handlers();
  if (interrupt_requested()) {
    return 1;
  }
  check_interrupt();
  std::raise(signal_number);
  try {
    check_interrupt();
  } catch (const Interrupted& error) {
    return interrupt_requested() ? static_cast<int>(error.code()) : 2;
  }
  return 3;
}

TEST(Interrupt, FirstSignalSetsAFlag) {
  EXPECT_EXIT(std::_Exit(exit_code_after(SIGINT)), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(std::_Exit(exit_code_after(SIGTERM)), testing::ExitedWithCode(130), "");
}

TEST(Interrupt, SecondSignalEndsTheProcess) {
  EXPECT_EXIT(exit_code_after(SIGINT); std::raise(SIGTERM), testing::ExitedWithCode(128 + SIGTERM), "");
}

}  // namespace
}  // namespace fmboost
