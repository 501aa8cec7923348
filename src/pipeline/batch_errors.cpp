#include "fmboost/pipeline/batch_errors.h"

#include "fmboost/core/error.h"

namespace fmboost {

bool ends_batch(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  return known != nullptr && (known->code() == ExitCode::model || known->code() == ExitCode::interrupted);
}

}  // namespace fmboost
