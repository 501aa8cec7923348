#include "nn/kernels/winograd.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <c10/core/InferenceMode.h>
#include <cmath>
#include <cstdint>

namespace fmboost {
namespace {

using winograd::Block;
using winograd::Kernels;
using winograd::kTilesAtATime;

// Channels of a register of every instruction set, so that the rule does not depend on the processor.
constexpr std::int64_t kChannelUnit = 16;
// With fewer channels, the transforms cost more than the products save.
constexpr std::int64_t kFewestChannels = 32;
// With fewer tiles, reading the transformed weights, four times as large as the plain ones, costs more.
constexpr std::int64_t kFewestTiles = 16;
// Bounds the memory for transformed weights: 59 MB a layer.
constexpr std::int64_t kLargestProduct = 640 * 640;
// Rows in powers of two would all fall into the same set of the cache.
constexpr std::int64_t kCachePadding = 16;

std::int64_t up_to(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::int64_t tiles_along(std::int64_t size) {
  return (size + winograd::kOut - 1) / winograd::kOut;
}

// G of the points 0, +-sqrt(1/2), +-sqrt(2), infinity: (6, 3) float64.
torch::Tensor weight_transform() {
  const double points[] = {0, std::sqrt(0.5), -std::sqrt(0.5), std::sqrt(2.0), -std::sqrt(2.0)};
  const torch::Tensor g = torch::zeros({6, 3}, torch::kFloat64);
  auto values = g.accessor<double, 2>();
  for (int i = 0; i < 5; ++i) {
    double divisor = 1;
    for (int j = 0; j < 5; ++j) {
      divisor *= i == j ? 1 : points[i] - points[j];
    }
    for (int power = 0; power < 3; ++power) {
      values[i][power] = std::pow(points[i], power) / divisor;
    }
  }
  values[5][2] = 1;
  return g;
}

// Scratch memory of one thread.
class Scratch {
 public:
  explicit Scratch(const Block& block) {
    const c10::InferenceMode no_gradients;
    memory_ = at::empty({winograd::kPoints * (block.transformed_stride + block.product_stride)}, torch::kFloat32);
  }
  Block in(Block block) const {
    block.transformed = memory_.data_ptr<float>();
    block.products = block.transformed + winograd::kPoints * block.transformed_stride;
    return block;
  }

 private:
  torch::Tensor memory_;
};

// Inside a parallel region, the inner loops run on the calling thread.
void run_block(const Kernels& kernels, const Block& block) {
  constexpr std::int64_t kTileGrain = 4;
  at::parallel_for(0, block.count, kTileGrain, [&](auto from, auto to) { kernels.transform_input(block, from, to); });
  at::parallel_for(0, winograd::kPoints, 1, [&](auto from, auto to) { kernels.multiply(block, from, to); });
  at::parallel_for(0, block.count, kTileGrain, [&](auto from, auto to) { kernels.transform_output(block, from, to); });
}

void run_blocks(const Kernels& kernels, const Block& shape, std::int64_t tiles) {
  const std::int64_t blocks = (tiles + kTilesAtATime - 1) / kTilesAtATime;
  const auto run = [&](std::int64_t from, std::int64_t to) {
    const Scratch scratch(shape);
    Block block = scratch.in(shape);
    for (std::int64_t i = from; i < to; ++i) {
      block.first = i * kTilesAtATime;
      block.count = std::min<std::int64_t>(kTilesAtATime, tiles - block.first);
      run_block(kernels, block);
    }
  };
  if (blocks >= at::get_num_threads()) {
    at::parallel_for(0, blocks, 1, run);
  } else {
    run(0, blocks);
  }
}

}  // namespace

bool winograd_is_faster(const ConvolutionShape& shape) {
  const std::int64_t tiles = shape.batch * tiles_along(shape.height) * tiles_along(shape.width);
  return shape.in % kChannelUnit == 0 && shape.out % kChannelUnit == 0 && shape.in >= kFewestChannels &&
         shape.out >= kFewestChannels && shape.in * shape.out <= kLargestProduct && tiles >= kFewestTiles;
}

const winograd::Kernels* winograd_kernels([[maybe_unused]] ConvolutionKernels options) {
#if FMBOOST_HAS_WINOGRAD
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (options == ConvolutionKernels::automatic && wide) {
    return &winograd::avx512_kernels();
  }
  if (options != ConvolutionKernels::off && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return &winograd::avx2_kernels();
  }
#endif
  return nullptr;
}

torch::Tensor winograd_weights(const torch::Tensor& weight, const winograd::Kernels& kernels) {
  const std::int64_t out = weight.size(0);
  const std::int64_t padded = up_to(out, kernels.column);
  const torch::Tensor g = weight_transform();
  torch::Tensor packed =
      at::empty({winograd::kPoints, padded / kernels.column, weight.size(1), kernels.column}, torch::kFloat32);
  // A column of outputs at a time: the float64 intermediates of all would need eight times the memory of the weight.
  for (std::int64_t first = 0; first < padded; first += kernels.column) {
    const torch::Tensor some = weight.slice(0, first, std::min(first + kernels.column, out)).to(torch::kFloat64);
    const torch::Tensor transformed = torch::matmul(torch::matmul(g, some), g.t());  // (column, C, 6, 6)
    const torch::Tensor target = packed.select(1, first / kernels.column);           // (36, C, column)
    target.zero_();
    target.slice(2, 0, some.size(0)).copy_(transformed.flatten(2).permute({2, 1, 0}));
  }
  return packed;
}

torch::Tensor winograd_conv2d(const torch::Tensor& x, const torch::Tensor& weights, const torch::Tensor& bias,
                              std::int64_t out, const winograd::Kernels& kernels) {
  const torch::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor result =
      at::empty({x.size(0), out, x.size(2), x.size(3)}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  Block block{};
  block.input = input.const_data_ptr<float>();
  block.weights = weights.const_data_ptr<float>();
  block.bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  block.output = result.data_ptr<float>();
  block.height = x.size(2);
  block.width = x.size(3);
  block.channels = x.size(1);
  block.outputs = out;
  block.padded_outputs = up_to(out, kernels.column);
  block.tile_rows = tiles_along(block.height);
  block.tile_columns = tiles_along(block.width);
  block.transformed_stride = kTilesAtATime * block.channels + kCachePadding;
  block.product_stride = kTilesAtATime * block.padded_outputs + kCachePadding;
  run_blocks(kernels, block, x.size(0) * block.tile_rows * block.tile_columns);
  return result;
}

}  // namespace fmboost
