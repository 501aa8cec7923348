#include "cli/shard_option.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "fmboost/core/error.h"

#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

std::size_t slurm_number(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) {
    return otherwise;
  }
  const std::string_view digits = text;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    throw UsageError(std::string(name) + " is '" + text + "', which is no number");
  }
  return value;
}

// The tasks of an array are numbered from MIN in steps of STEP.
Shard slurm_shard() {
  if (std::getenv("SLURM_ARRAY_TASK_ID") == nullptr || std::getenv("SLURM_ARRAY_TASK_COUNT") == nullptr) {
    throw UsageError("`shard` slurm works only in a Slurm array job; use I/N elsewhere");
  }
  const std::size_t task = slurm_number("SLURM_ARRAY_TASK_ID", 0);
  const std::size_t first = slurm_number("SLURM_ARRAY_TASK_MIN", 0);
  const std::size_t step = slurm_number("SLURM_ARRAY_TASK_STEP", 1);
  Shard shard{.index = 0, .count = slurm_number("SLURM_ARRAY_TASK_COUNT", 1)};
  const bool regular = step > 0 && task >= first && (task - first) % step == 0;
  shard.index = regular ? (task - first) / step : shard.count;
  if (shard.index >= shard.count) {
    throw UsageError("`shard` slurm needs an array of evenly spaced tasks, such as --array=0-7; task " +
                     std::to_string(task) + " is not one of " + std::to_string(shard.count));
  }
  return shard;
}

}  // namespace

void add_shard_option(CLI::App& app, std::string& shard) {
  app.add_option("--shard", shard,
                 "I/N: make only the images whose index modulo N is I, to divide the work among N machines; slurm: "
                 "I and N of the Slurm array job")
      ->capture_default_str()
      ->group(kOutputGroup);
}

Shard resolve_shard(const std::string& text) {
  return text == "slurm" ? slurm_shard() : parse_shard(text);
}

}  // namespace fmboost::tool
