#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <string>

#include "fmboost/core/log.h"

namespace fmboost::test {

/// What `work` logs on stderr.
inline std::string notices(const std::function<void()>& work) {
  configure_logging(Verbosity::normal);
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

}  // namespace fmboost::test
