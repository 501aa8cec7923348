#include <gtest/gtest.h>

#include "fmboost/core/memory_probe.h"
#include "fmboost/core/random.h"
#include "fmboost/nn/kernel_options.h"

#include "nn/cfm/cfm_unet.h"
#include "nn/default_model/conv_autoencoder.h"
#include "nn/layers/attention.h"
#include "nn/layers/strip_norm.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "network_checks.h"
#include "support/compare.h"

namespace fmboost {
namespace {

using test::compare;
using test::expect_equal_in_strips;
using test::filled;
using test::is_close;
using test::random_values;

AutoencoderKl small_autoencoder(bool attention = true) {
  return filled(AutoencoderKl(AutoencoderKlOptions{.block_out_channels = {16, 24, 32},
                                                   .layers_per_block = 1,
                                                   .norm_num_groups = 8,
                                                   .mid_block_add_attention = attention}));
}

TEST(Strips, AutoencoderKlMatchesTheWholeImage) {
  for (const bool attention : {true, false}) {
    const AutoencoderKl network = small_autoencoder(attention);
    const torch::Tensor pixels = random_values({1, 3, 52, 36});
    expect_equal_in_strips([&](const auto* strips) { return network->encode(pixels, strips).mean; });
    expect_equal_in_strips([&](const auto* strips) { return network->encode(pixels, strips).log_variance; });
    const torch::Tensor latent = random_values({2, 4, 13, 9});
    expect_equal_in_strips([&](const auto* strips) { return network->decode(latent, strips); });
  }
}

TEST(Strips, TinyAutoencoderMatchesTheWholeImage) {
  const auto network = filled(AutoencoderTiny(
      AutoencoderTinyOptions{.channels = 16, .num_encoder_blocks = {1, 1, 2}, .num_decoder_blocks = {2, 1, 1}}));
  const torch::Tensor pixels = random_values({1, 3, 60, 20});
  expect_equal_in_strips([&](const auto* strips) { return network->encode(pixels, strips); });
  const torch::Tensor latent = random_values({1, 4, 17, 5});
  expect_equal_in_strips([&](const auto* strips) { return network->decode(latent, strips); });
}

TEST(Strips, DefaultAutoencoderMatchesTheWholeImage) {
  const auto network = filled(ConvAutoencoder(ConvAutoencoderOptions{.latent_channels = 4,
                                                                     .encoder_channels = 12,
                                                                     .encoder_blocks = 2,
                                                                     .decoder_channels = 12,
                                                                     .decoder_blocks = 2,
                                                                     .fine_channels = 8,
                                                                     .fine_blocks = 1}));
  const torch::Tensor pixels = random_values({1, 3, 68, 20});
  expect_equal_in_strips([&](const auto* strips) { return network->encode(pixels, strips); });
  const torch::Tensor latent = random_values({1, 4, 17, 5});
  expect_equal_in_strips([&](const auto* strips) { return network->decode(latent, strips); });
}

class CfmStrips : public testing::TestWithParam<CfmUnetOptions> {};

TEST_P(CfmStrips, VelocityMatchesThatOfTheWholeLatent) {
  auto network = filled(CfmUnet(GetParam()));
  const torch::Tensor x = random_values({2, 4, 24, 16});
  const torch::Tensor context = random_values({2, 4, 24, 16}, 2);
  const torch::Tensor t = torch::tensor({0.3F, 0.8F});
  expect_equal_in_strips([&](const auto* strips) { return network->forward(x, t, context, strips); });
}

INSTANTIATE_TEST_SUITE_P(Variants, CfmStrips,
                         testing::Values(CfmUnetOptions{.model_channels = 32,
                                                        .num_res_blocks = 1,
                                                        .attention_resolutions = {4},
                                                        .channel_mult = {1, 2, 2},
                                                        .dim_head = 8},
                                         CfmUnetOptions{.model_channels = 32,
                                                        .num_res_blocks = 2,
                                                        .attention_resolutions = {1},
                                                        .channel_mult = {1, 2},
                                                        .conv_resample = false,
                                                        .dim_head = 8,
                                                        .use_linear_attn = false,
                                                        .use_scale_shift_norm = false},
                                         CfmUnetOptions{.model_channels = 32,
                                                        .num_res_blocks = 1,
                                                        .attention_resolutions = {2},
                                                        .channel_mult = {1, 1},
                                                        .dim_head = 8,
                                                        .pool_factor = 2}));

TEST(Strips, SmallerLimitKeepsFewerBytes) {
  const c10::InferenceMode no_gradients;
  const AutoencoderKl network = small_autoencoder();
  const torch::Tensor latent = random_values({1, 4, 40, 40});
  const auto peak = [&](const StripLimits* limits) {
    return peak_tensor_memory(torch::kCPU, [&] { network->decode(latent, limits); });
  };
  const std::int64_t result = 3 * 160 * 160 * 4;
  const std::int64_t finest = 16 * 160 * 160 * 4;
  const StripLimits everything{.strip_bytes = finest / 4, .kept_bytes = 1'000'000'000};
  const StripLimits half{.strip_bytes = finest / 4, .kept_bytes = finest};
  EXPECT_LT(peak(&everything), peak(nullptr));
  EXPECT_LT(peak(&half), peak(&everything));
  EXPECT_LT(peak(&half), half.kept_bytes + half.strip_bytes + 2 * result);
}

TEST(Strips, MemoryOfTheCfmUnetIsEstimated) {
  const c10::InferenceMode no_gradients;
  for (const CfmUnetOptions& options : {CfmUnetOptions{.in_channels = 32,
                                       .model_channels = 64,
                                       .out_channels = 16,
                                       .num_res_blocks = 2,
                                       .attention_resolutions = {64},
                                       .channel_mult = {1, 2, 2},
                                       .dim_head = 32,
                                       .use_linear_attn = false},
                                        CfmUnetOptions{.model_channels = 32,
                                        .num_res_blocks = 1,
                                        .attention_resolutions = {4},
                                        .channel_mult = {1, 2, 4, 4},
                                        .dim_head = 8}}) {
    auto network = filled(CfmUnet(options));
    const torch::Tensor x = random_values({1, options.in_channels, 64, 64});
    const StripLimits rows{.strip_bytes = 1, .kept_bytes = 0};
    for (const auto* strips : {static_cast<const StripLimits*>(nullptr), &rows}) {
      const auto run = [&] { network->forward(x, torch::ones({1}), {}, strips); };
      const double estimate = peak_activations_per_latent_pixel(options, strips != nullptr) * 64 * 64 * 4;
      const KernelOptions before = kernel_options();
      set_kernel_options({.winograd = ConvolutionKernels::off});
      const auto plain = static_cast<double>(peak_tensor_memory(torch::kCPU, run));
      set_kernel_options(before);
      run();  // weights are transformed
      const auto peak = static_cast<double>(peak_tensor_memory(torch::kCPU, run));
      EXPECT_GT(estimate / plain, 0.75);
      EXPECT_LT(estimate / plain, 1.5);
      EXPECT_GT(estimate / peak, 0.75);  // Winograd needs no copies in the layout of oneDNN
    }
  }
}

TEST(Strips, StatisticsAreThoseOfTheWholeImage) {
  // Rows that differ much: no strip has the whole image's mean or deviation.
  const torch::Tensor slope = torch::linspace(-300, 500, 37).reshape({1, 1, 37, 1});
  const torch::Tensor image = random_values({2, 12, 37, 11}) + slope;
  const torch::Tensor weight = random_values({12}, 2);
  const torch::Tensor bias = random_values({12}, 3);
  const torch::Tensor expected =
      torch::group_norm(image.to(torch::kFloat64), 3, weight.to(torch::kFloat64), bias.to(torch::kFloat64), 1e-5);
  for (const std::int64_t strip_bytes : {1, 40'000, 100'000'000}) {
    const ChannelScale scale =
        normalization(LazyFeatureMap(image), {.groups = 3, .eps = 1e-5, .weight = weight, .bias = bias},
                      {.strip_bytes = strip_bytes});
    EXPECT_TRUE(is_close(scale.apply(image), expected.to(torch::kFloat32), 1e-6));
  }
}

TEST(StripImages, AreExactForAnyRows) {
  const torch::Tensor image = random_values({1, 2, 12, 6});
  const torch::Tensor kernel = random_values({3, 2, 3, 3}, 2);
  const auto convolve = [kernel](const torch::Tensor& x) { return torch::conv2d(x, kernel, {}, 1, 1); };
  const auto halve = [kernel](const torch::Tensor& x) { return torch::conv2d(x, kernel.slice(0, 0, 2), {}, 2, 1); };
  const auto upscale = [](const torch::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); };
  const LazyFeatureMap lazy = LazyFeatureMap(image)
                                  .apply({.channels = 2, .halo = 1, .down = 2}, halve)
                                  .apply({.channels = 2, .up = 2}, upscale)
                                  .apply({.channels = 3, .halo = 1}, convolve);
  const torch::Tensor whole = convolve(upscale(halve(image)));
  EXPECT_EQ(lazy.sizes(), whole.sizes());
  EXPECT_FALSE(lazy.is_kept());
  EXPECT_EQ(lazy.held_bytes(), image.numel() * 4);
  for (std::int64_t top = 0; top < 12; ++top) {
    for (std::int64_t bottom = top + 1; bottom <= 12; ++bottom) {
      EXPECT_TRUE(is_close(lazy.rows({top, bottom}), whole.slice(2, top, bottom), 1e-6)) << top << " " << bottom;
    }
  }
  EXPECT_TRUE(is_close(lazy.keep({.strip_bytes = 1}).values(), whole, 1e-6));
}

TEST(ChunkedAttention, MatchesAllQueriesAtOnce) {
  const torch::Tensor q = random_values({2, 37, 12}, 1);
  const torch::Tensor k = random_values({2, 53, 12}, 2);
  const torch::Tensor v = random_values({2, 53, 12}, 3);
  const torch::Tensor expected = attend(q, k, v, 3);
  for (const std::int64_t scores : {1, 6 * 53, 6 * 53 * 5, 6 * 53 * 36}) {
    EXPECT_TRUE(is_close(attend(q, k, v, 3, /*causal=*/false, scores), expected, 1e-6));
  }
}

TEST(SpatialSelfAttention, SeesAllPixelsUpToTheLimit) {
  constexpr std::int64_t kHeight = 11;
  constexpr std::int64_t kWidth = 4;
  const torch::Tensor q = random_values({1, kHeight * kWidth, 8}, 1);
  const torch::Tensor k = random_values({1, kHeight * kWidth, 8}, 2);
  const torch::Tensor v = random_values({1, kHeight * kWidth, 8}, 3);
  EXPECT_TRUE(is_close(attend_positions(q, k, v, kHeight, kHeight * kWidth), attend(q, k, v, 1), 1e-6));
  // 5 whole rows of at most 23 latent pixels: two above and two below, fewer on one side and more on the other at the
  // edges.
  const torch::Tensor some = attend_positions(q, k, v, kHeight, 23);
  for (const auto& [row, first] : {std::pair<int, int>{0, 0}, {2, 0}, {3, 1}, {5, 3}, {8, 6}, {9, 6}, {10, 6}}) {
    const auto rows = [&](const torch::Tensor& x, std::int64_t top, std::int64_t count) {
      return x.slice(1, top * kWidth, (top + count) * kWidth);
    };
    EXPECT_TRUE(is_close(rows(some, row, 1), attend(rows(q, row, 1), rows(k, first, 5), rows(v, first, 5), 1), 1e-6))
        << row;
  }
}

}  // namespace
}  // namespace fmboost
