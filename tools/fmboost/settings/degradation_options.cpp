#include "settings/degradation_options.h"

namespace fmboost::tool {

void add_degradation_options(CLI::App& app, DegradationOptions& options, const char* group) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    app.add_option(name, value, help)->capture_default_str()->group(group);
  };
  add("--degrade", options.share,
      "Share of the small squares, from 0 to 1, to blur, make noisy and compress, so that the coupling learns to "
      "restore such images");
  add("--degrade-blur", options.max_blur, "Largest standard deviation of the blur, in pixels of the small square");
  add("--degrade-noise", options.max_noise, "Largest standard deviation of the noise at medium gray, of 255");
  add("--degrade-quality", options.min_quality, "Lowest JPEG quality");
  add("--degrade-max-quality", options.max_quality, "Highest JPEG quality");
}

}  // namespace fmboost::tool
