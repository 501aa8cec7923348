#include "probe_network.h"

#include "fmboost/core/random.h"

#include "train/distributed/gradient_reducer.h"

namespace fmboost::test {
namespace {

constexpr std::int64_t kBatch = 8;

torch::Tensor loss_of(CfmUnet& network, std::int64_t first, std::int64_t stride, std::int64_t parts,
                      std::int64_t part) {
  at::Generator generator = cpu_generator(7);
  const torch::Tensor x = gaussian_noise({kBatch, 4, 8, 8}, generator);
  const torch::Tensor context = gaussian_noise({kBatch, 4, 8, 8}, generator);
  const torch::Tensor target = gaussian_noise({kBatch, 4, 8, 8}, generator);
  const torch::Tensor t = torch::linspace(0.05, 0.95, kBatch);
  const auto mine = [&](const torch::Tensor& whole) {
    return whole.slice(0, first, kBatch, stride).chunk(parts)[static_cast<std::size_t>(part)];
  };
  const torch::Tensor answer = network->forward(mine(x), mine(t), mine(context));
  return torch::mse_loss(answer, mine(target)) / static_cast<double>(parts);
}

NamedTensors take_gradients(CfmUnet& network) {
  NamedTensors gradients;
  for (auto& item : network->named_parameters()) {
    gradients.emplace_back(item.key(), item.value().grad().clone().contiguous());
    item.value().mutable_grad().reset();
  }
  return gradients;
}

}  // namespace

CfmUnet probe_network() {
  CfmUnetOptions options;
  options.model_channels = 64;  // so that no bias vanishes in a group norm of one channel a group
  options.num_res_blocks = 1;
  options.channel_mult = {1, 2};
  options.attention_resolutions = {2};
  CfmUnet network(options);
  at::Generator generator = cpu_generator(3);
  for (auto& parameter : network->parameters()) {
    const torch::NoGradGuard no_grad;
    parameter.copy_(0.05 * gaussian_noise(parameter.sizes(), generator));
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  return network;
}

ProbeRun run_probe(ProcessGroup& group, std::int64_t bucket_bytes) {
  CfmUnet network = probe_network();
  GradientReducer reducer(network->parameters(), group,
                          {.bucket_bytes = bucket_bytes, .first_bucket_bytes = bucket_bytes});
  ProbeRun run;
  reducer.expect_backward(true);
  loss_of(network, group.rank(), group.size(), 1, 0).backward();
  reducer.finish();
  run.gradients = take_gradients(network);
  run.buckets = reducer.bucket_count();
  run.overlapped = reducer.buckets_overlapped();
  for (const bool last : {false, true}) {
    reducer.expect_backward(last);
    loss_of(network, group.rank(), group.size(), 2, last ? 1 : 0).backward();
    reducer.finish();
  }
  run.accumulated = take_gradients(network);
  return run;
}

}  // namespace fmboost::test
