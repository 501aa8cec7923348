#pragma once

#include <exception>
#include <string>

namespace fmboost::tool {

/// Why an item failed.
struct Failure {
  std::string message;
  int code = 1;         ///< exit code
  std::string details;  ///< for the verbose log
};

Failure describe(const std::exception& error);

}  // namespace fmboost::tool
