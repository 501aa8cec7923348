#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/command.h"
#include "settings/train_options.h"

namespace fmboost::tool {
namespace {

nlohmann::json to_json(const TrainingRunResult& result) {
  nlohmann::json line = {{"output", result.weights.string()}, {"steps", result.steps}, {"error", nullptr}};
  line["bundle_file"] =
      result.bundle_weights.empty() ? nlohmann::json() : nlohmann::json(result.bundle_weights.string());
  line["best_step"] = result.best ? nlohmann::json(result.best->step) : nlohmann::json();
  line["best_psnr"] = result.best ? nlohmann::json(result.best->psnr) : nlohmann::json();
  return line;
}

int run_train(const CLI::App& app, TrainFlags flags) {
  configure_runtime(app, flags.run);
  resolve(app, flags);
  const TrainingRunResult result = run_training(flags.options);
  if (result.rank != 0) {
    return 0;
  }
  if (flags.run.json) {
    std::cout << to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    std::cout << result.weights.string() << "\n";
  }
  return 0;
}

}  // namespace

std::function<int()> add_train(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  add_train_options(app, *flags);
  return [flags, &app] { return run_train(app, *flags); };
}

}  // namespace fmboost::tool
