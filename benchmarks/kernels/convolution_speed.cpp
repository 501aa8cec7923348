// Times Winograd convolutions beside ATen's channels-last ones on the layers of the published networks and of the
// bundled model, in turns, and compares both with a float64 convolution. Prints a Markdown table.
#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <torch/types.h>
#include <vector>

#include "nn/kernels/winograd.h"

namespace {

using namespace fmboost;

struct Layer {
  const char* network;
  std::int64_t in, out, size;
};

constexpr Layer kLayers[] = {
    {"UNet 64x64", 320, 320, 64},       {"UNet 64x64", 640, 320, 64},         {"UNet 64x64", 640, 640, 32},
    {"UNet 64x64", 1280, 640, 32},      {"UNet 64x64", 1280, 1280, 16},       {"autoencoder 512", 512, 512, 64},
    {"autoencoder 512", 512, 512, 128}, {"autoencoder 512", 512, 256, 256},   {"autoencoder 512", 256, 256, 256},
    {"autoencoder 512", 256, 128, 512}, {"autoencoder 512", 128, 128, 512},   {"CFM 64x64", 256, 256, 64},
    {"CFM 64x64", 512, 512, 32},        {"bundled denoiser", 96, 96, 64},     {"bundled denoiser", 192, 192, 32},
    {"bundled denoiser", 224, 224, 16}, {"bundled autoencoder", 64, 64, 256}, {"bundled autoencoder", 32, 32, 512},
};

template <typename Function>
double seconds_of(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double relative_error(const torch::Tensor& result, const torch::Tensor& exact) {
  return ((result - exact).abs().max() / exact.abs().max()).item<double>();
}

void time_layer(const Layer& layer, const winograd::Kernels& kernels, int runs) {
  const auto channels_last = at::MemoryFormat::ChannelsLast;
  const torch::Tensor x = torch::randn({1, layer.in, layer.size, layer.size}).contiguous(channels_last);
  const double scale = 1 / std::sqrt(9.0 * static_cast<double>(layer.in));
  const torch::Tensor weight = (torch::randn({layer.out, layer.in, 3, 3}) * scale).contiguous(channels_last);
  const torch::Tensor bias = torch::randn({layer.out});
  torch::Tensor transformed;
  const double once = seconds_of([&] { transformed = winograd_weights(weight, kernels); });
  torch::Tensor plain = torch::conv2d(x, weight, bias, 1, 1);
  torch::Tensor fast = winograd_conv2d(x, transformed, bias, layer.out, kernels);
  std::vector<double> plain_seconds, fast_seconds, ratios;
  for (int i = 0; i < runs; ++i) {
    plain_seconds.push_back(seconds_of([&] { plain = torch::conv2d(x, weight, bias, 1, 1); }));
    fast_seconds.push_back(seconds_of([&] { fast = winograd_conv2d(x, transformed, bias, layer.out, kernels); }));
    ratios.push_back(plain_seconds.back() / fast_seconds.back());
  }
  const std::int64_t rows = std::min<std::int64_t>(layer.size, 32);  // a float64 convolution of all takes long
  const torch::Tensor exact =
      torch::conv2d(x.slice(2, 0, rows).to(torch::kFloat64), weight.to(torch::kFloat64), bias.to(torch::kFloat64), 1, 1)
          .slice(2, 0, rows - 1);
  const auto part = [&](const torch::Tensor& all) { return all.slice(2, 0, rows - 1); };
  const bool used = winograd_is_faster({1, layer.in, layer.out, layer.size, layer.size});
  std::printf("| %s | %ld → %ld | %ld | %.1f | %.1f | %.2f | %.0f | %.1e | %.1e | %s |\n", layer.network, layer.in,
              layer.out, layer.size, 1e3 * median(plain_seconds), 1e3 * median(fast_seconds), median(ratios),
              1e3 * once, relative_error(part(plain), exact), relative_error(part(fast), exact), used ? "yes" : "no");
  std::fflush(stdout);
}

}  // namespace

// [RUNS [auto|avx2 [THREADS]]]
int main(int argc, char** argv) {
  const c10::InferenceMode no_gradients;
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  const bool avx2 = argc > 2 && std::string(argv[2]) == "avx2";
  if (argc > 3) {
    at::set_num_threads(std::atoi(argv[3]));
  }
  const auto* kernels = winograd_kernels(avx2 ? ConvolutionKernels::avx2 : ConvolutionKernels::automatic);
  if (kernels == nullptr) {
    std::fprintf(stderr, "this processor has neither AVX2 nor AVX-512\n");
    return 1;
  }
  std::printf("%s, %d threads, medians of %d runs in turns\n\n", kernels->name, at::get_num_threads(), runs);
  std::printf(
      "| network | channels | side | direct, ms | Winograd, ms | gain | weights once, ms | error of direct | "
      "error of Winograd | used |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Layer& layer : kLayers) {
    time_layer(layer, *kernels, runs);
  }
}
