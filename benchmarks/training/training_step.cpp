// fmboost_training_step CASE.safetensors: runs a training step for every line on stdin and answers with a line of JSON,
// {"loss": ..., "seconds": ..., "cpu_seconds": ...}. compare.py writes the case and compares with PyTorch.
#include <ATen/Parallel.h>
#include <chrono>
#include <ctime>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "fmboost/core/placement.h"
#include "fmboost/io/safetensors.h"

#include "nn/cfm/cfm_unet.h"
#include "train/training_state.h"

namespace {

using namespace fmboost;
using nlohmann::json;

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void serve(const SafetensorsFile& file) {
  const json options = json::parse(file.metadata().at("options"));
  at::set_num_threads(options["threads"].get<int>());
  TrainOptions train;
  train.network = parse_cfm_unet_options(file.metadata().at("config"), file.path().string());
  train.precision = options["precision"].get<std::string>();
  train.memory_format = options["memory_format"].get<std::string>();
  train.schedule.warmup_steps = 0;
  train.ema.update_after_step = 0;
  TrainingState state(train, resolve_placement(options["device"].get<std::string>(), "float32").device);
  {
    const torch::NoGradGuard no_grad;
    for (const auto& item : state.network().named_parameters()) {
      item.value().data().copy_(file.tensor("weight." + item.key()));
    }
  }
  LatentBatch batch;
  batch.latent = file.tensor("latent");
  batch.context = file.tensor("context");
  const FlowNoise noise{
      .t = file.tensor("t"), .start = file.tensor("start"), .path = {}, .upsampling = {}, .alpha_bar = {}};
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const double wall = wall_seconds();
    const double cpu = cpu_seconds();
    const torch::Tensor loss = state.backward(batch, noise);
    state.step(/*measure_norm=*/false);
    const auto value = loss.item<double>();  // waits for the device
    const json answer = {{"loss", value}, {"seconds", wall_seconds() - wall}, {"cpu_seconds", cpu_seconds() - cpu}};
    std::cout << answer.dump() << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) {
      std::cerr << "usage: fmboost_training_step CASE.safetensors\n";
      return 2;
    }
    serve(SafetensorsFile(argv[1]));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
