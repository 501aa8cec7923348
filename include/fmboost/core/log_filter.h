#pragma once

#include <functional>
#include <string>

namespace fmboost {

/// Every line of the log goes through `filter` before it is written. Set it before threads log.
void set_log_filter(std::function<std::string(const std::string& line)> filter);

}  // namespace fmboost
