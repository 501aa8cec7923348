#pragma once

#include <exception>
#include <gtest/gtest.h>
#include <string>

namespace fmboost::test {

/// The message of the Expected that `work` throws; a failure of the test when it throws something else or nothing.
template <typename Expected, typename Work>
std::string thrown(const Work& work) {
  try {
    work();
  } catch (const Expected& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error came: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no error came";
  return {};
}

}  // namespace fmboost::test
