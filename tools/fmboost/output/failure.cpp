#include "output/failure.h"

#include "fmboost/core/error.h"

namespace fmboost::tool {

Failure describe(const std::exception& error) {
  return {message_of(error), exit_code_of(error), error.what()};
}

}  // namespace fmboost::tool
