// fmboost_training_case CASE OUT: trains on the data of CASE.safetensors, for tests/python/test_training_step.py.
//
// CASE: weight.NAME; latent.I, context.I, t.I, start.I[, path.I, alpha_bar.I, other_start.I, diversity_weight.I] of
// every batch I; metadata `options`, JSON whose keys are read below, and `config`, the network's. OUT: loss (steps),
// norm (steps), gradient.NAME of the first step, weight.NAME and ema.NAME after the last.
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "nn/cfm/cfm_unet.h"
#include "train/training_state.h"

namespace {

using namespace fmboost;
using nlohmann::json;

template <typename Value>
void read(const json& source, const char* key, Value& value) {
  if (source.contains(key)) {
    source[key].get_to(value);
  }
}

TrainOptions read_options(const SafetensorsFile& file) {
  TrainOptions options;
  options.network = parse_cfm_unet_options(file.metadata().at("config"), "config");
  const json source = json::parse(file.metadata().at("options"));
  options.flow.path = parse_enum<PathKind>(source.value("path", "linear"));
  read(source, "sigma_min", options.flow.sigma_min);
  read(source, "noising_step", options.flow.noising_step);
  if (source.contains("noising_step_max")) {
    options.flow.noising_step_max = source["noising_step_max"].get<int>();
  }
  options.flow.objective = parse_enum<Objective>(source.value("objective", "velocity"));
  read(source, "start_from_noise", options.flow.start_from_noise);
  read(source, "method", options.optimizer.method);
  read(source, "kernels", options.optimizer.kernels);
  read(source, "lr", options.optimizer.lr);
  read(source, "beta1", options.optimizer.beta1);
  read(source, "beta2", options.optimizer.beta2);
  read(source, "eps", options.optimizer.eps);
  read(source, "weight_decay", options.optimizer.weight_decay);
  read(source, "schedule", options.schedule.shape);
  read(source, "warmup_steps", options.schedule.warmup_steps);
  read(source, "ema_beta", options.ema.beta);
  read(source, "ema_update_after_step", options.ema.update_after_step);
  read(source, "clip_norm", options.clip_norm);
  read(source, "accumulate", options.accumulate);
  read(source, "precision", options.precision);
  read(source, "memory_format", options.memory_format);
  read(source, "steps", options.steps);
  return options;
}

void run(const std::string& input, const std::string& output) {
  const SafetensorsFile file(input);
  const auto optional = [&](const std::string& name) {
    return file.contains(name) ? file.tensor(name) : torch::Tensor();
  };
  TrainingState state(read_options(file), torch::kCPU);
  const json rollout = json::parse(file.metadata().at("options")).value("rollout", json::object());
  NamedTensors results;
  std::vector<torch::Tensor> losses;
  std::vector<torch::Tensor> norms;
  const torch::NoGradGuard no_grad;
  for (const auto& item : state.network().named_parameters()) {
    item.value().data().copy_(file.tensor("weight." + item.key()));
  }
  const auto names = state.network().named_parameters().keys();
  for (std::int64_t step = 0, batch = 0; step < state.options().steps; ++step) {
    torch::Tensor loss = torch::zeros({});
    for (std::int64_t i = 0; i < state.options().accumulate; ++i, ++batch) {
      const std::string number = "." + std::to_string(batch);
      const FlowNoise noise{.t = file.tensor("t" + number),
                            .start = optional("start" + number),
                            .path = optional("path" + number),
                            .upsampling = {},
                            .alpha_bar = optional("alpha_bar" + number),
                            .other_start = optional("other_start" + number),
                            .diversity_weight = optional("diversity_weight" + number),
                            .rollout_steps = rollout.value("steps", 1),
                            .patches = {.y = rollout.value("y", 0), .x = rollout.value("x", 0)}};
      const torch::AutoGradMode with_grad(true);
      LatentBatch pairs;
      pairs.latent = file.tensor("latent" + number);
      pairs.context = file.tensor("context" + number);
      loss += state.backward(pairs, noise) / state.options().accumulate;
    }
    losses.push_back(loss);
    if (step == 0) {
      const auto gradients = state.gradients();
      for (std::size_t i = 0; i < names.size(); ++i) {
        results.emplace_back("gradient." + names[i], gradients[i].clone());
      }
    }
    norms.push_back(state.step(/*measure_norm=*/true));
  }
  const auto averages = state.ema_network().parameters();
  for (std::size_t i = 0; i < names.size(); ++i) {
    results.emplace_back("weight." + names[i], state.parameters()[i]);
    results.emplace_back("ema." + names[i], averages[i]);
  }
  results.emplace_back("loss", torch::stack(losses));
  results.emplace_back("norm", torch::stack(norms));
  write_safetensors(output, results);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) {
      throw UsageError("usage: fmboost_training_case CASE.safetensors OUT.safetensors");
    }
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
