#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "fmboost/io/files.h"

namespace fmboost::test {

/// step -> value of the reference numbers whose title begins with `name`.
inline std::map<std::int64_t, double> published_schedule(const std::string& name) {
  const auto all = nlohmann::json::parse(read_text_file(FMBOOST_TEST_DATA "/golden/training_schedules.json"));
  std::map<std::int64_t, double> schedule;
  for (const auto& [title, values] : all.items()) {
    if (title.rfind(name, 0) == 0) {
      for (const auto& [step, value] : values.items()) {
        schedule[std::stoll(step)] = value.get<double>();
      }
    }
  }
  return schedule;
}

}  // namespace fmboost::test
