#include "diffusion/timesteps.h"

#include <algorithm>
#include <cmath>

#include "fmboost/core/error.h"

namespace fmboost {

std::vector<double> spaced_timesteps(const NoiseScheduleOptions& options, TimestepSpacing spacing, int n,
                                     bool round_linspace) {
  const int train_steps = options.train_steps;
  std::vector<double> times;
  if (spacing == TimestepSpacing::trailing) {
    // std::nearbyint rounds half to even, as numpy does. numpy's arange, which diffusers uses, returns one point too
    // many
    // (-1) if T / (T / n) is rounded up.
    const double ratio = static_cast<double>(train_steps) / n;
    const double step = (train_steps - ratio) - train_steps;  // as in arange: the last bit breaks ties
    for (int i = 0; i < n; ++i) {
      times.push_back(std::nearbyint(train_steps + i * step) - 1);
    }
    return times;
  }
  const int first = (n - 1) * (train_steps / n) + options.steps_offset;
  if (spacing == TimestepSpacing::leading && (n > train_steps || first >= train_steps)) {
    throw UsageError(std::to_string(n) + " steps do not fit a schedule of " + std::to_string(train_steps) +
                     " with leading timesteps and an offset of " + std::to_string(options.steps_offset) +
                     "; use fewer");
  }
  for (int i = n - 1; i >= 0; --i) {
    if (spacing == TimestepSpacing::leading) {
      times.push_back(static_cast<double>(i) * (train_steps / n) + options.steps_offset);
    } else {
      // Multiplied as in numpy's linspace, for the same reason: 15 * (999 / 30) is just under 499.5.
      const double step = static_cast<double>(train_steps - 1) / std::max(n - 1, 1);
      const double time = i * step;
      times.push_back(round_linspace ? std::nearbyint(time) : static_cast<float>(time));
    }
  }
  return times;
}

double interpolate(const std::vector<double>& table, double position) {
  const double last = static_cast<double>(table.size()) - 1;
  const double inside = std::clamp(position, 0.0, last);
  const auto low = static_cast<std::size_t>(std::min(std::floor(inside), last - 1));
  const double weight = inside - static_cast<double>(low);
  return table[low] * (1 - weight) + table[low + 1] * weight;
}

std::vector<double> karras_sigmas(double high, double low, int n) {
  constexpr double kRho = 7.0;
  const double from = std::pow(high, 1 / kRho);
  const double to = std::pow(low, 1 / kRho);
  std::vector<double> sigmas;
  for (int i = 0; i < n; ++i) {
    const double ramp = n == 1 ? 0.0 : static_cast<double>(i) / (n - 1);
    sigmas.push_back(std::pow(from + ramp * (to - from), kRho));
  }
  return sigmas;
}

double timestep_of_sigma(const std::vector<double>& sigmas, double sigma) {
  const auto above = std::upper_bound(sigmas.begin(), sigmas.end(), sigma);
  const auto found = std::max<std::ptrdiff_t>(above - sigmas.begin() - 1, 0);
  const auto low = std::min(static_cast<std::size_t>(found), sigmas.size() - 2);
  const double from = std::log(sigmas[low]);
  const double to = std::log(sigmas[low + 1]);
  const double weight = std::clamp((std::log(std::max(sigma, 1e-10)) - from) / (to - from), 0.0, 1.0);
  return static_cast<double>(low) + weight;
}

}  // namespace fmboost
