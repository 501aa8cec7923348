#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>

#include "fmboost/core/error.h"
#include "fmboost/train/options.h"

#include "kinds.h"

namespace fmboost::parity {
namespace {

using Schedule = std::function<double(int step)>;
using Arguments = std::map<std::string, double>;

// Both sides are computed in float64.
constexpr double kScheduleTolerance = 1e-9;

// "beta=0.999, power=3/4"
Arguments parse_arguments(const std::string& text) {
  static const std::regex pattern(R"((\w+)=([0-9.]+)(?:/([0-9.]+))?)");
  Arguments arguments;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    const auto& parts = *match;
    const double divisor = parts[3].matched ? std::stod(parts[3].str()) : 1.0;
    arguments[parts[1].str()] = std::stod(parts[2].str()) / divisor;
  }
  return arguments;
}

std::set<std::string> names_of(const Arguments& arguments) {
  std::set<std::string> names;
  for (const auto& [name, value] : arguments) {
    names.insert(name);
  }
  return names;
}

Schedule ema_decay(const Arguments& arguments) {
  EmaOptions options;
  options.beta = arguments.at("beta");
  options.update_after_step = static_cast<std::int64_t>(arguments.at("update_after_step"));
  options.power = arguments.at("power");
  return [options](int update) { return options.decay(update); };
}

Schedule warmup(const Arguments& arguments) {
  LrScheduleOptions options;
  options.warmup_steps = static_cast<std::int64_t>(arguments.at("num_warmup_steps"));
  return [options](int step) { return options.factor(step, std::numeric_limits<int>::max()); };
}

// The title is NAME(ARGUMENTS) and free words.
Schedule parse_schedule(const std::string& title) {
  static const std::regex pattern(R"((\w+)\(([^)]*)\).*)");
  std::smatch parts;
  if (std::regex_match(title, parts, pattern)) {
    const std::string name = parts[1].str();
    const Arguments arguments = parse_arguments(parts[2].str());
    const auto given = names_of(arguments);
    if (name == "ema_decay" && given == std::set<std::string>{"beta", "power", "update_after_step"}) {
      return ema_decay(arguments);
    }
    if (name == "warmup" && given == std::set<std::string>{"num_warmup_steps"}) {
      return warmup(arguments);
    }
  }
  throw Error("nobody knows the schedule '" + title + "'");
}

}  // namespace

void replay_training_schedules(const nlohmann::json& schedules, Report& report) {
  for (const auto& [title, values] : schedules.items()) {
    const Schedule schedule = parse_schedule(title);
    const std::string name = title.substr(0, title.find('('));
    for (const auto& [step, value] : values.items()) {
      report.compare(name + " at " + step, schedule(parse_count(step, "a step of " + name)), value.get<double>(),
                     kScheduleTolerance);
    }
  }
}

}  // namespace fmboost::parity
