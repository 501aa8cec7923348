// One process of a group, or a training run's log, as a separate program: fmboost_train_probe TASK [ARGUMENT].

#include <ATen/Parallel.h>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <thread>

#include "fmboost/core/error.h"

#include "probe_network.h"
#include "train/distributed/collectives.h"
#include "train/distributed/gradient_reducer.h"
#include "train/distributed/heartbeat_monitor.h"
#include "train/log/run_log.h"
#include "train/validation.h"
#include "validation_case.h"

namespace fmboost::test {
namespace {

// The timeouts of real runs are too long for a test.
ProcessGroupOptions quick_options() {
  ProcessGroupOptions options = ProcessGroupOptions::from_environment();
  options.heartbeat_interval = std::chrono::milliseconds(100);
  options.lost_after = std::chrono::seconds(3);
  options.join_timeout = std::chrono::seconds(environment_variable("PROBE_JOIN") ? 1 : 60);
  return options;
}

bool is_last(const ProcessGroup& group) {
  return group.rank() == group.size() - 1;
}

void train_until_it_fails(ProcessGroup& group) {
  torch::Tensor weights = torch::ones({1000}, torch::requires_grad());
  GradientReducer reducer({weights}, group);
  for (int i = 0; i < 1000000; ++i) {
    reducer.expect_backward(true);
    weights.square().sum().backward();
    reducer.finish();
  }
}

// Writes the gradients of rank 0 to a file.
void gradients(const std::string& file) {
  ProcessGroup group(quick_options());
  const ProbeRun run = run_probe(group, 64 << 10);
  NamedTensors tensors;
  for (const auto& [name, tensor] : run.gradients) {
    tensors.emplace_back("once." + name, tensor);
  }
  for (const auto& [name, tensor] : run.accumulated) {
    tensors.emplace_back("accumulated." + name, tensor);
  }
  if (group.is_first()) {
    write_safetensors(file, tensors,
                      {{"buckets", std::to_string(run.buckets)}, {"overlapped", std::to_string(run.overlapped)}});
  }
}

void collectives(const std::string& file) {
  ProcessGroup group(quick_options());
  NamedTensors results;
  const auto rank = static_cast<double>(group.rank());
  torch::Tensor sum = torch::tensor({rank + 1, 10 * (rank + 1)});
  group.all_reduce_sum(sum);
  results.emplace_back("sum", sum);
  torch::Tensor view = torch::full({4, 6}, rank).slice(1, 0, 6, 2);
  group.all_reduce_sum(view);
  results.emplace_back("sum of a view", view.contiguous());
  torch::Tensor sent = torch::arange(24.0).view({1, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast) + 100 * rank;
  group.broadcast({sent});
  results.emplace_back("broadcast", sent.contiguous());
  results.emplace_back("any", torch::tensor({group.any(false), group.any(is_last(group))}).to(torch::kFloat32));
  torch::Tensor used = torch::ones({3}, torch::requires_grad());
  torch::Tensor unused = torch::ones({2}, torch::requires_grad());
  GradientReducer reducer({used, unused}, group);
  reducer.expect_backward(true);
  ((rank + 1) * used).sum().backward();
  reducer.finish();
  results.emplace_back("used", used.grad());
  results.emplace_back("unused", unused.grad());
  group.require_same("the same thing", 5);
  group.barrier();
  write_safetensors(file + std::to_string(group.rank()), results);
}

void killed() {
  ProcessGroup group(quick_options());
  group.barrier();
  if (is_last(group)) {
    std::raise(SIGKILL);
  }
  train_until_it_fails(group);
}

void stopped() {
  ProcessGroup group(quick_options());
  group.barrier();
  if (is_last(group)) {
    std::raise(SIGSTOP);
  }
  train_until_it_fails(group);
}

// Rank 0 waits in a call that the monitor does not see, like a call that waits for a GPU.
void killed_while_the_other_is_blocked() {
  const ProcessGroupOptions options = quick_options();
  const Rendezvous rendezvous = join_rendezvous(options);
  const HeartbeatMonitor monitor(rendezvous, options, /*device_may_hang=*/true);
  if (options.rank == 1) {
    std::raise(SIGKILL);
  }
  std::this_thread::sleep_for(std::chrono::minutes(2));
}

// To be run manually on a machine with a GPU, since the tests cannot use NCCL without one.
void nccl() {
  const ProcessGroupOptions options = quick_options();
  const torch::Device device(torch::kCUDA, static_cast<torch::DeviceIndex>(options.local_rank));
  const Rendezvous rendezvous = join_rendezvous(options);
  const auto collectives = make_nccl_collectives(rendezvous, options);
  const torch::Tensor sum = torch::full({1 << 20}, options.rank + 1.0, torch::TensorOptions().device(device));
  collectives->start_sum(sum)();
  collectives->start_broadcast(sum)();
  std::cout << "sum " << sum.mean().item<double>() << ", expected " << options.size * (options.size + 1) / 2
            << std::endl;
}

void failed() {
  ProcessGroup group(quick_options());
  group.barrier();
  if (is_last(group)) {
    throw Error("the failure of this process");
  }
  train_until_it_fails(group);
}

void first_killed() {
  ProcessGroup group(quick_options());
  group.barrier();
  if (group.is_first()) {
    std::raise(SIGKILL);
  }
  train_until_it_fails(group);
}

// The last process is busy for longer than `lost_after`.
void busy() {
  ProcessGroup group(quick_options());
  group.barrier();
  if (is_last(group)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  }
  group.barrier();
}

void join() {
  ProcessGroup group(quick_options());
  group.barrier();
  std::cout << "rank " << group.rank() << " of " << group.size() << " is done" << std::endl;
}

void disagree() {
  ProcessGroup group(quick_options());
  group.require_same("the number of training pairs", 100 + group.rank());
}

void validate(const std::string& file) {
  ProcessGroup group(quick_options());
  QuarterAutoencoder autoencoder;
  Validator validator({}, FlowLossOptions(), std::make_shared<SmoothPairs>(7), torch::kCPU, group);
  const auto result = validator.run(bent_velocity, autoencoder).value();
  if (group.is_first()) {
    const torch::Tensor numbers =
        torch::tensor({static_cast<double>(result.pairs), static_cast<double>(result.originals), result.result.psnr_rgb,
                       result.result.ssim_rgb, result.start.psnr_rgb});
    write_safetensors(file, {{"numbers", numbers}, {"sheet", result.sheet}});
  }
}

// A run that is interrupted while it writes step 40 and is resumed from step 20.
void log(const std::string& folder) {
  const auto record = [](RunLog& run_log, std::int64_t step, double loss) {
    run_log.scalars(step, {{"train/loss", loss}, {"train/lr", 3e-5}});
    if (step % 20 == 0) {
      run_log.scalars(step, {{"validation/psnr", 20 + loss}});
      run_log.image(step, "validation/sheet", torch::full({3, 4, 6}, 0.5));
    }
  };
  {
    RunLog first(folder);
    for (std::int64_t step = 10; step <= 40; step += 10) {
      record(first, step, 1.0 / static_cast<double>(step));
    }
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() != ".png") {
      std::filesystem::resize_file(entry.path(), entry.file_size() - 3);
    }
  }
  RunLog second(folder, {.resume_step = 20});
  for (std::int64_t step = 30; step <= 60; step += 10) {
    record(second, step, 2.0 / static_cast<double>(step));
  }
}

int run(const std::string& task, const std::string& argument) {
  const std::map<std::string, std::function<void()>> tasks{
      {"gradients", [&] { gradients(argument); }},
      {"collectives", [&] { collectives(argument); }},
      {"killed", killed},
      {"stopped", stopped},
      {"killed-while-the-other-is-blocked", killed_while_the_other_is_blocked},
      {"failed", failed},
      {"first-killed", first_killed},
      {"busy", busy},
      {"join", join},
      {"disagree", disagree},
      {"nccl", nccl},
      {"validate", [&] { validate(argument); }},
      {"log", [&] { log(argument); }}};
  try {
    at::set_num_threads(1);
    tasks.at(task)();
    return 0;
  } catch (const Error& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return static_cast<int>(error.code());
  }
}

}  // namespace
}  // namespace fmboost::test

int main(int count, char** arguments) {
  return fmboost::test::run(count > 1 ? arguments[1] : "", count > 2 ? arguments[2] : "");
}
