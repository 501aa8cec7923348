#include "fmboost/eval/niqe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/metrics.h"
#include "fmboost/io/files.h"
#include "fmboost/io/safetensors.h"

#include "io/safetensors_writer.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::HasSubstr;

torch::Tensor photograph() {
  const auto file = std::filesystem::path(FMBOOST_TEST_DATA) / "../../docs/images/cat.png";
  const torch::Tensor pixels = decode_image(read_file(file), file.string()).pixels;
  return luma((pixels.to(torch::kFloat64) + 1) * 127.5);
}

TEST(Niqe, PhotographIsMoreNaturalThanItsDegradations) {
  const NiqeModel model = default_niqe_model();
  const torch::Tensor original = photograph();
  torch::manual_seed(1);
  const torch::Tensor noisy = original + 12 * torch::randn_like(original);
  const torch::Tensor blurry = at::avg_pool2d(original, {5, 5}, {1, 1}, {2, 2});
  const double natural = niqe(original, model);
  EXPECT_GT(natural, 1);
  EXPECT_LT(natural, 6);
  EXPECT_GT(niqe(noisy, model), natural + 1);
  EXPECT_GT(niqe(blurry, model), natural + 1);
}

TEST(Niqe, FeaturesAreOneRowPerBlock) {
  EXPECT_EQ(niqe_features(torch::rand({1, 200, 300}) * 200).sizes(), (at::IntArrayRef{6, 36}));
  EXPECT_THAT(test::thrown<Error>([] { niqe_features(torch::rand({1, 95, 300})); }), HasSubstr("96x96"));
}

TEST(Niqe, FlatBlocksAreLeftOut) {
  torch::Tensor half_flat = photograph().slice(1, 0, 192).slice(2, 0, 288).clone();
  const double whole = niqe(half_flat, default_niqe_model());
  half_flat.slice(1, 0, 96) = 100;
  const double found = niqe(half_flat, default_niqe_model());
  EXPECT_TRUE(std::isfinite(found));
  EXPECT_NE(found, whole);
}

TEST(Niqe, ModelOfAnotherShapeIsRefused) {
  const test::TemporaryFolder folder;
  write_safetensors(folder / "model.safetensors",
                    {{"mean", torch::zeros({35})}, {"covariance", torch::zeros({36, 36})}});
  EXPECT_THAT(test::thrown<Error>([&] { load_niqe_model(folder / "model.safetensors"); }), HasSubstr("mean"));
}

}  // namespace
}  // namespace fmboost
