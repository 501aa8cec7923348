#include "train/loss/energy_loss.h"

#include <algorithm>
#include <vector>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::int64_t kLargestPatch = 8;  // side in latent pixels: 4x4 means of 2x2
constexpr double kEpsilon = 1e-6;          // under the square root, whose slope at 0 is infinite

// The features of a latent that are compared, (B, features, rows, columns) each.
std::vector<torch::Tensor> views(const torch::Tensor& x, PatchOffset patches) {
  const auto grid = [](const torch::Tensor& y, int dim, int offset) {
    const std::int64_t room = y.size(dim) - kLargestPatch;
    const std::int64_t start = std::min<std::int64_t>(offset, room);
    return y.narrow(dim, start, (y.size(dim) - start) / kLargestPatch * kLargestPatch);
  };
  const std::int64_t height = x.size(2) - 1;
  const std::int64_t width = x.size(3) - 1;
  const torch::Tensor here = x.narrow(2, 0, height).narrow(3, 0, width);
  const torch::Tensor below = x.narrow(2, 1, height).narrow(3, 0, width);
  const torch::Tensor right = x.narrow(2, 0, height).narrow(3, 1, width);
  const torch::Tensor cut = grid(grid(x, 2, patches.y), 3, patches.x);
  return {x, torch::cat({below - here, right - here}, 1), at::pixel_unshuffle(cut, 2), at::pixel_unshuffle(cut, 4),
          at::pixel_unshuffle(at::avg_pool2d(cut, 2), 4)};
}

// The scores of the noisy pairs, (N), from their two end points.
torch::Tensor energies(const RolloutBatch& rollouts, const torch::Tensor& one, const torch::Tensor& other) {
  const torch::Tensor target = rollouts.latent.index_select(0, rollouts.noisy);
  const auto distance = [&](const torch::Tensor& a, const torch::Tensor& b) {
    return patch_distance(a, b, rollouts.patches);
  };
  return (distance(one, target) + distance(other, target) - rollouts.diversity_weight * distance(one, other)) / 2;
}

// The losses of the noiseless pairs, (B - N).
torch::Tensor noiseless_losses(const RolloutBatch& rollouts, const torch::Tensor& end) {
  const torch::Tensor target = rollouts.latent.index_select(0, rollouts.noiseless);
  return rollouts.noiseless_loss == NoiselessLoss::mse ? kNoiselessWeight * (end - target).square().mean({1, 2, 3})
                                                       : patch_distance(end, target, rollouts.patches);
}

torch::Tensor indices(const torch::Tensor& mask, torch::Device device) {
  return mask.nonzero().flatten().to(device);
}

}  // namespace

RolloutBatch make_rollout_batch(const FlowLossOptions& options, const LatentBatch& batch, const FlowNoise& noise) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor& latent = batch.latent;
  if (latent.size(2) < kLargestPatch || latent.size(3) < kLargestPatch) {
    throw Error(c10::str("`objective` energy compares patches of ", kLargestPatch, "x", kLargestPatch,
                         " latent pixels; the latents of '", batch.keys.empty() ? "?" : batch.keys.front(), "' have ",
                         latent.size(2), "x", latent.size(3), ": use a larger `crop_size`"));
  }
  // At t = 0 every path is at x0.
  FlowNoise at_start = noise;
  at_start.t = torch::zeros_like(noise.t);
  const FlowBatch one = make_flow_batch(options, batch, at_start);
  at_start.start = noise.other_start;
  const FlowBatch other = make_flow_batch(options, batch, at_start);
  const torch::Tensor noisy = indices(noise.diversity_weight > 0, latent.device());
  const auto twice = [&](const torch::Tensor& first, const torch::Tensor& second) {
    return torch::cat({first, second.index_select(0, noisy)});
  };
  return {.x = twice(one.x, other.x),
          .context = one.context.defined() ? twice(one.context, other.context) : torch::Tensor(),
          .latent = latent,
          .noisy = noisy,
          .noiseless = indices(noise.diversity_weight <= 0, latent.device()),
          .diversity_weight = noise.diversity_weight.to(latent.device()).index_select(0, noisy),
          .noiseless_loss = options.noiseless_loss,
          .steps = noise.rollout_steps,
          .patches = noise.patches};
}

torch::Tensor roll_out(const RolloutBatch& rollouts, const BatchVelocity& velocity) {
  torch::Tensor x = rollouts.x.to(torch::kFloat32);
  for (int i = 0; i < rollouts.steps; ++i) {
    const torch::Tensor t = torch::full({x.size(0)}, static_cast<double>(i) / rollouts.steps, x.options());
    x = x + velocity(x, t, rollouts.context).to(torch::kFloat32) / rollouts.steps;
  }
  return x;
}

torch::Tensor patch_distance(const torch::Tensor& a, const torch::Tensor& b, PatchOffset patches) {
  torch::Tensor total;
  for (const auto& difference : views((a - b).to(torch::kFloat32), patches)) {  // views are linear
    const torch::Tensor distance = (difference.square().mean(1) + kEpsilon).sqrt().mean({1, 2});
    total = total.defined() ? total + distance : distance;
  }
  return total;
}

torch::Tensor energy_loss(const RolloutBatch& rollouts, const torch::Tensor& ends) {
  const std::int64_t pairs = rollouts.latent.size(0);
  const torch::Tensor first = ends.narrow(0, 0, pairs);
  torch::Tensor sum = torch::zeros({}, ends.options());
  // LibTorch has no gradient of an empty pixel_unshuffle.
  if (rollouts.noiseless.size(0) > 0) {
    sum = sum + noiseless_losses(rollouts, first.index_select(0, rollouts.noiseless)).sum();
  }
  if (rollouts.noisy.size(0) > 0) {
    sum =
        sum +
        energies(rollouts, first.index_select(0, rollouts.noisy), ends.narrow(0, pairs, rollouts.noisy.size(0))).sum();
  }
  return sum / static_cast<double>(pairs);
}

}  // namespace fmboost
