#include "fmboost/pipeline/model_components.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "fmboost/core/error.h"

#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Float32Fallback, FiniteResultNeedsOneRun) {
  std::vector<torch::ScalarType> runs;
  const torch::Tensor result = run_with_float32_fallback("the stage", torch::kBFloat16, [&](torch::ScalarType dtype) {
    runs.push_back(dtype);
    return torch::ones({2});
  });
  EXPECT_THAT(runs, ElementsAre(torch::kBFloat16));
  EXPECT_EQ(result.sum().item<float>(), 2);
}

TEST(Float32Fallback, BrokenResultIsRepeatedInFloat32) {
  for (const double broken : {kNan, kInfinity, -kInfinity}) {
    std::vector<torch::ScalarType> runs;
    const torch::Tensor result = run_with_float32_fallback("the stage", torch::kBFloat16, [&](torch::ScalarType dtype) {
      runs.push_back(dtype);
      return torch::tensor({1.0, dtype == torch::kFloat32 ? 5.0 : broken});
    });
    EXPECT_THAT(runs, ElementsAre(torch::kBFloat16, torch::kFloat32));
    EXPECT_EQ(result[1].item<double>(), 5.0);
  }
}

TEST(Float32Fallback, BrokenResultIsNeverReturned) {
  for (const auto dtype : {torch::kFloat32, torch::kFloat16}) {
    int runs = 0;
    const std::string message = thrown<Error>([&] {
      run_with_float32_fallback("the decoder", dtype, [&](torch::ScalarType) {
        ++runs;
        return torch::full({1}, kNan);
      });
    });
    EXPECT_THAT(message, AllOf(HasSubstr("the decoder gave NaN or infinite values"), HasSubstr("in float32")));
    EXPECT_EQ(runs, dtype == torch::kFloat32 ? 1 : 2);
  }
}

TEST(ModelComponents, LoadsAComponentOncePerDtype) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  Autoencoder& first = components.autoencoder(torch::kFloat32);
  EXPECT_EQ(&components.autoencoder(torch::kFloat32), &first);
  const torch::Tensor pixels = torch::full({1, 3, 8, 8}, 1.0 / 3);
  const torch::Tensor exact = first.encode(pixels);
  const torch::Tensor coarse = components.autoencoder(torch::kBFloat16).encode(pixels);
  EXPECT_FALSE(torch::equal(exact, coarse));
  EXPECT_TRUE(torch::equal(components.autoencoder(torch::kFloat32).encode(pixels), exact));
}

TEST(ModelComponents, LoadsOnlyTheRequestedComponent) {
  const test::TinyBundle files;
  std::filesystem::remove(files.folder() / "denoiser.pt");
  ModelComponents components(files.open(), {});
  EXPECT_NO_THROW(components.autoencoder(torch::kFloat32));
  EXPECT_NO_THROW(components.text_encoder(torch::kFloat32));
  EXPECT_THAT(thrown<ModelError>([&] { components.denoiser(torch::kFloat32); }), HasSubstr("which is missing"));
}

TEST(ModelComponents, LoadsAComponentAgainAfterItsRelease) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  components.denoiser(torch::kFloat32);
  std::filesystem::remove(files.folder() / "denoiser.pt");
  EXPECT_NO_THROW(components.denoiser(torch::kFloat32));
  components.release_denoiser();
  EXPECT_THROW(components.denoiser(torch::kFloat32), ModelError);
}

TEST(ModelComponents, CouplingsThatShareAFileShareTheNetwork) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  const auto& couplings = components.manifest().couplings;
  EXPECT_EQ(&components.velocity(couplings[0], torch::kFloat32), &components.velocity(couplings[1], torch::kFloat32));
}

TEST(ModelComponents, MemoryOfATorchScriptAutoencoderIsMeasuredWhenItIsLoaded) {
  const test::TinyBundle files;
  ModelComponents components(files.open(), {});
  EXPECT_FALSE(components.autoencoder_memory());
  const double measured = components.autoencoder(torch::kFloat32).bytes_per_pixel();
  components.release_autoencoder();
  ASSERT_TRUE(components.autoencoder_memory());
  EXPECT_EQ(components.autoencoder_memory()->bytes_per_pixel, measured);
  EXPECT_FALSE(components.autoencoder_memory()->strip_bytes_per_pixel);
}

TEST(ModelComponents, MemoryOfANativeAutoencoderIsKnownWithoutLoadingIt) {
  test::TinyBundle files;
  nlohmann::json& autoencoder = files.manifest["autoencoder"];
  autoencoder.erase("encoder");
  autoencoder.erase("decoder");
  autoencoder.update({{"backend", "native"},
                      {"file", "missing.safetensors"},
                      {"sha256", std::string(64, '0')},
                      {"config", {{"_class_name", "ConvAutoencoder"},
                        {"latent_channels", 4},
                        {"encoder_channels", 8},
                        {"encoder_blocks", 4},
                        {"decoder_channels", 8},
                        {"decoder_blocks", 5},
                        {"fine_channels", 8},
                        {"fine_blocks", 2}}}});
  files.write();
  ModelComponents components(files.open(), {});
  ASSERT_TRUE(components.autoencoder_memory());
  EXPECT_GT(components.autoencoder_memory()->bytes_per_pixel, 2 * 3 * sizeof(float));
  EXPECT_TRUE(components.autoencoder_memory()->strip_bytes_per_pixel);
  EXPECT_THROW(components.autoencoder(torch::kFloat32), ModelError);
}

}  // namespace
}  // namespace fmboost
