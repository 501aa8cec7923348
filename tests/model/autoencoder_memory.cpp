#include <gtest/gtest.h>

#include "fmboost/core/memory_probe.h"
#include "fmboost/io/safetensors.h"
#include "fmboost/nn/kernel_options.h"

#include "model/native_components.h"
#include "nn/default_model/conv_autoencoder.h"
#include "nn/stable_diffusion/autoencoder_kl.h"
#include "nn/stable_diffusion/autoencoder_tiny.h"
#include "support/temporary_folder.h"

namespace fmboost {
namespace {

/// A native autoencoder with random weights, without a bundle.
class NativeAutoencoderFile {
 public:
  template <typename Network>
  explicit NativeAutoencoderFile(Network network) {
    torch::manual_seed(1);
    NamedTensors tensors;
    for (const auto& item : network->named_parameters()) {
      tensors.emplace_back(item.key(), 0.05 * torch::randn(item.value().sizes()));
    }
    write_safetensors(folder_.path() / "weights.safetensors", tensors);
  }
  std::unique_ptr<Autoencoder> load(const AutoencoderEntry& entry, torch::ScalarType dtype) const {
    return make_native_autoencoder(folder_.path() / "weights.safetensors", entry, {torch::kCPU, dtype});
  }

 private:
  test::TemporaryFolder folder_;
};

template <typename Options>
AutoencoderEntry entry_of(const Options& options) {
  AutoencoderEntry entry;
  entry.factor = options.factor();
  entry.latent_channels = options.latent_channels;
  entry.network = options;
  return entry;
}

/// The estimate over the larger of the peaks of encoding and decoding, for a latent of these sides.
double estimate_over_peak(Autoencoder& autoencoder, const AutoencoderEntry& entry, torch::ScalarType dtype,
                          std::int64_t height, std::int64_t width) {
  const torch::Tensor pixels = torch::zeros({1, 3, height * entry.factor, width * entry.factor});
  const torch::Tensor latent = torch::zeros({1, entry.latent_channels, height, width});
  const std::int64_t peak = std::max(peak_tensor_memory(torch::kCPU, [&] { autoencoder.encode(pixels); }),
                                     peak_tensor_memory(torch::kCPU, [&] { autoencoder.decode(latent); }));
  return estimate_memory(entry, dtype)->bytes_per_pixel * static_cast<double>(pixels.numel() / 3) /
         static_cast<double>(peak);
}

/// The same with Winograd's kernels, whose weights are transformed before.
double estimate_over_winograd_peak(Autoencoder& autoencoder, const AutoencoderEntry& entry, std::int64_t height,
                                   std::int64_t width) {
  set_kernel_options({.winograd = ConvolutionKernels::automatic});
  estimate_over_peak(autoencoder, entry, torch::kFloat32, height, width);
  const double ratio = estimate_over_peak(autoencoder, entry, torch::kFloat32, height, width);
  set_kernel_options({.winograd = ConvolutionKernels::off});
  return ratio;
}

template <typename Network, typename Options>
void expect_estimate_within_a_factor_of_two(const Options& options, const std::string& name) {
  const NativeAutoencoderFile file{Network(options)};
  const AutoencoderEntry entry = entry_of(options);
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
    const KernelOptions before = kernel_options();
    set_kernel_options({.winograd = ConvolutionKernels::off});
    const auto autoencoder = file.load(entry, dtype);
    EXPECT_EQ(autoencoder->bytes_per_pixel(), estimate_memory(entry, dtype)->bytes_per_pixel);
    // Images should not be much smaller: the weights' copies in the blocked layout would count, and small tensors are
    // convolved by another algorithm.
    for (const auto& [height, width] : {std::pair(32, 24), std::pair(40, 32)}) {
      const double ratio = estimate_over_peak(*autoencoder, entry, dtype, height, width);
      EXPECT_GE(ratio, 0.95) << name << " " << dtype << " " << height;
      EXPECT_LE(ratio, 2.0) << name << " " << dtype << " " << height;
      if (dtype == torch::kFloat32) {  // the others have no such kernels, which need no copies in oneDNN's layout
        EXPECT_GE(estimate_over_winograd_peak(*autoencoder, entry, height, width), 0.9) << name << " " << height;
      }
    }
    set_kernel_options(before);
  }
}

TEST(AutoencoderMemory, EstimateMatchesThePeakOfTheKlAutoencoder) {
  expect_estimate_within_a_factor_of_two<AutoencoderKl>(
      AutoencoderKlOptions{.block_out_channels = {32, 64, 64}, .norm_num_groups = 8}, "kl");
  expect_estimate_within_a_factor_of_two<AutoencoderKl>(
      AutoencoderKlOptions{.block_out_channels = {16, 16, 32, 32}, .norm_num_groups = 8}, "kl-8x");
  // Most of the memory is at the coarsest level here.
  expect_estimate_within_a_factor_of_two<AutoencoderKl>(
      AutoencoderKlOptions{.block_out_channels = {8, 96}, .layers_per_block = 1, .norm_num_groups = 8}, "kl-coarse");
}

TEST(AutoencoderMemory, EstimateMatchesThePeakOfTheTinyAutoencoder) {
  expect_estimate_within_a_factor_of_two<AutoencoderTiny>(AutoencoderTinyOptions{}, "tiny");
}

TEST(AutoencoderMemory, EstimateMatchesThePeakOfTheDefaultAutoencoder) {
  expect_estimate_within_a_factor_of_two<ConvAutoencoder>(ConvAutoencoderOptions{}, "conv");
  expect_estimate_within_a_factor_of_two<ConvAutoencoder>(
      ConvAutoencoderOptions{.encoder_channels = 16, .decoder_channels = 32, .fine_channels = 64}, "conv-fine");
}

TEST(AutoencoderMemory, OnlyNativeAutoencodersAreEstimated) {
  EXPECT_FALSE(estimate_memory(AutoencoderEntry{}, torch::kFloat32));
}

TEST(AutoencoderMemory, AttentionCountsForStrips) {
  const auto strips = [](bool attention) {
    AutoencoderKlOptions options{.block_out_channels = {32, 64, 64}, .norm_num_groups = 8};
    options.mid_block_add_attention = attention;
    return estimate_memory(entry_of(options), torch::kFloat32)->strip_bytes_per_pixel.value();
  };
  EXPECT_EQ(strips(false), 2 * 3 * 4) << "the image as it is given and as the network takes it";
  EXPECT_EQ(strips(true), 2 * 3 * 4 + 6 * 64 * 4 / 16.0);
}

}  // namespace
}  // namespace fmboost
