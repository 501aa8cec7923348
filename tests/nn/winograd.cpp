#include "nn/kernels/winograd.h"

#include <ATen/Parallel.h>
#include <cmath>
#include <gtest/gtest.h>

#include "fmboost/core/random.h"

#include "nn/kernels/convolution.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "support/compare.h"

namespace fmboost {
namespace {

using test::is_close;

torch::Tensor drawn(at::IntArrayRef sizes, std::uint64_t seed) {
  auto generator = cpu_generator(seed);
  return gaussian_noise(sizes.vec(), generator);
}

std::vector<const winograd::Kernels*> kernels_of_processor() {
  std::vector<const winograd::Kernels*> all;
  for (const auto choice : {ConvolutionKernels::avx2, ConvolutionKernels::automatic}) {
    if (const auto* kernels = winograd_kernels(choice); kernels != nullptr && (all.empty() || all[0] != kernels)) {
      all.push_back(kernels);
    }
  }
  return all;
}

/// Restores the options of the process.
class OptionsForTest {
 public:
  explicit OptionsForTest(ConvolutionKernels winograd) { set_kernel_options({.winograd = winograd}); }
  ~OptionsForTest() { set_kernel_options(before_); }
  OptionsForTest(const OptionsForTest&) = delete;
  OptionsForTest& operator=(const OptionsForTest&) = delete;

 private:
  KernelOptions before_ = kernel_options();
};

torch::Tensor exact_convolution(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  const torch::Tensor wide_bias = bias.defined() ? bias.to(torch::kFloat64) : bias;
  return torch::conv2d(x.to(torch::kFloat64), weight.to(torch::kFloat64), wide_bias, 1, 1).to(torch::kFloat32);
}

TEST(Winograd, MatchesAFloat64ConvolutionForAnySize) {
  const c10::InferenceMode no_gradients;
  for (const auto* kernels : kernels_of_processor()) {
    for (const ConvolutionShape& s : {ConvolutionShape{1, 32, 48, 16, 16},
                                      {2, 16, 16, 1, 1},
                                      {3, 48, 80, 5, 3},
                                      {2, 64, 32, 7, 30},
                                      {1, 512, 16, 18, 17},
                                      {1, 16, 32, 2, 203}}) {
      const torch::Tensor x = drawn({s.batch, s.in, s.height, s.width}, 1);
      const torch::Tensor weight = drawn({s.out, s.in, 3, 3}, 2) / std::sqrt(9.0 * static_cast<double>(s.in));
      for (const torch::Tensor& bias : {drawn({s.out}, 3), torch::Tensor()}) {
        const torch::Tensor result = winograd_conv2d(x, winograd_weights(weight, *kernels), bias, s.out, *kernels);
        EXPECT_TRUE(result.is_contiguous(at::MemoryFormat::ChannelsLast));
        EXPECT_TRUE(is_close(result, exact_convolution(x, weight, bias), 1e-5))
            << kernels->name << " " << x.sizes() << " " << s.out;
      }
    }
  }
}

TEST(Winograd, ResultDoesNotDependOnThreadsOrBatch) {
  const c10::InferenceMode no_gradients;
  const int threads = at::get_num_threads();
  for (const auto* kernels : kernels_of_processor()) {
    const torch::Tensor x = drawn({2, 32, 33, 41}, 1);
    const torch::Tensor weights = winograd_weights(drawn({32, 32, 3, 3}, 2), *kernels);
    const auto run = [&](const torch::Tensor& input) { return winograd_conv2d(input, weights, {}, 32, *kernels); };
    at::set_num_threads(1);
    const torch::Tensor one = run(x);
    at::set_num_threads(2);
    EXPECT_TRUE(torch::equal(one, run(x)));
    at::set_num_threads(16);  // more than blocks
    EXPECT_TRUE(torch::equal(one, run(x)));
    at::set_num_threads(threads);
    EXPECT_TRUE(torch::equal(one.slice(0, 1), run(x.slice(0, 1))));
  }
}

TEST(Winograd, RuleLeavesNarrowSmallAndVeryWideLayersToAten) {
  EXPECT_TRUE(winograd_is_faster({1, 512, 512, 64, 64}));
  EXPECT_TRUE(winograd_is_faster({1, 96, 96, 64, 64}));
  EXPECT_FALSE(winograd_is_faster({1, 4, 512, 64, 64}));
  EXPECT_FALSE(winograd_is_faster({1, 128, 3, 512, 512}));
  EXPECT_FALSE(winograd_is_faster({1, 40, 40, 64, 64}));
  EXPECT_FALSE(winograd_is_faster({1, 320, 320, 8, 8}));
  EXPECT_FALSE(winograd_is_faster({1, 1280, 1280, 64, 64}));
}

TEST(Convolve, UsesNewWeightsAfterAChange) {
  const c10::InferenceMode no_gradients(false);
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = drawn({1, 32, 16, 16}, 1);
  torch::Tensor weight = drawn({32, 32, 3, 3}, 2) / 17;
  EXPECT_TRUE(is_close(convolve(x, weight, {}, 1, 1), exact_convolution(x, weight, {}), 1e-5));
  weight.mul_(-3).add_(0.01);
  EXPECT_TRUE(is_close(convolve(x, weight, {}, 1, 1), exact_convolution(x, weight, {}), 1e-5));
  weight.set_data(drawn({32, 32, 3, 3}, 3) / 17);
  EXPECT_TRUE(is_close(convolve(x, weight, {}, 1, 1), exact_convolution(x, weight, {}), 1e-5));
  // Memory of a freed weight is likely to be used again at once.
  for (std::uint64_t seed = 4; seed < 12; ++seed) {
    const torch::Tensor next = drawn({32, 32, 3, 3}, seed) / 17;
    EXPECT_TRUE(is_close(convolve(x, next, {}, 1, 1), exact_convolution(x, next, {}), 1e-5));
  }
}

TEST(Convolve, TakesHalfPrecisionWeightsAndViews) {
  const c10::InferenceMode no_gradients;
  const torch::Tensor x = drawn({1, 16, 32, 32}, 1).transpose(1, 2).transpose(2, 3);  // (1, 32, 32, 16)
  const torch::Tensor weight = (drawn({32, 32, 3, 3}, 2) / 17).to(torch::kFloat16);
  EXPECT_TRUE(is_close(convolve(x, weight, {}, 1, 1), exact_convolution(x, weight, {}), 1e-5));
}

TEST(Convolve, LeavesGradientsToAten) {
  const torch::Tensor x = drawn({1, 32, 16, 16}, 1).requires_grad_();
  const torch::Tensor weight = drawn({32, 32, 3, 3}, 2).requires_grad_();
  const torch::Tensor expected = torch::conv2d(x, weight, {}, 1, 1);
  const torch::Tensor result = convolve(x, weight, {}, 1, 1);
  EXPECT_TRUE(torch::equal(result, expected));
  result.sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

TEST(Convolve, IsAtenWithoutKernels) {
  const c10::InferenceMode no_gradients;
  const OptionsForTest off(ConvolutionKernels::off);
  const torch::Tensor x = drawn({1, 32, 16, 16}, 1);
  const torch::Tensor weight = drawn({32, 32, 3, 3}, 2);
  EXPECT_TRUE(torch::equal(convolve(x, weight, {}, 1, 1), torch::conv2d(x, weight, {}, 1, 1)));
}

AutoencoderKl wide_autoencoder() {
  AutoencoderKl network(
      AutoencoderKlOptions{.block_out_channels = {32, 64, 96}, .layers_per_block = 2, .norm_num_groups = 8});
  std::uint64_t seed = 0;
  for (const auto& item : network->named_parameters()) {
    torch::Tensor parameter = item.value();
    const double fan_in = parameter.dim() > 1 ? static_cast<double>(parameter[0].numel()) : 16.0;
    const torch::Tensor numbers = drawn(parameter.sizes(), ++seed) / std::sqrt(fan_in);
    const bool norm = parameter.dim() == 1 && item.key().ends_with("weight");
    parameter.set_data(norm ? 1 + numbers : numbers);
  }
  return network;
}

TEST(Winograd, AutoencoderMatchesThePlainOneWholeAndInStrips) {
  const c10::InferenceMode no_gradients;
  const AutoencoderKl network = wide_autoencoder();
  const torch::Tensor pixels = drawn({1, 3, 76, 68}, 1);
  const torch::Tensor latent = drawn({1, 4, 19, 17}, 2);
  torch::Tensor mean;
  torch::Tensor image;
  {
    const OptionsForTest off(ConvolutionKernels::off);
    mean = network->encode(pixels).mean;
    image = network->decode(latent);
  }
  for (const auto choice : {ConvolutionKernels::avx2, ConvolutionKernels::automatic}) {
    const OptionsForTest on(choice);
    const torch::Tensor whole = network->decode(latent);
    EXPECT_TRUE(winograd_kernels(choice) == nullptr || !torch::equal(whole, image));
    EXPECT_TRUE(is_close(whole, image, 1e-5));
    EXPECT_TRUE(is_close(network->encode(pixels).mean, mean, 1e-5));
    const StripLimits strips{.strip_bytes = 1'000'000};
    EXPECT_TRUE(is_close(network->decode(latent, &strips), whole, 1e-5));
    EXPECT_TRUE(is_close(network->encode(pixels, &strips).mean, mean, 1e-5));
  }
}

}  // namespace
}  // namespace fmboost
