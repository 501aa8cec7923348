#include "import/stored_sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using testing::HasSubstr;

TEST(StoredSampling, YamlSaysWhatTheModelPredicts) {
  const std::pair<const char*, const char*> texts[] = {
      {"model:\n  params:\n    parameterization: \"v\"\n", "v_prediction"},
      {"model: {params: {parameterization: v, x: 1}}", "v_prediction"},
      {"\xEF\xBB\xBFmodel:\r\n  'parameterization' : 'eps'\r\n", "epsilon"},
      {"# parameterization: v\nmodel:\n", ""},
      {"my_parameterization: v\n", ""},
      {"parameterization:\n", ""},
      {"", ""}};
  for (const auto& [text, prediction] : texts) {
    EXPECT_EQ(parse_sampling_yaml(text).prediction, prediction) << text;
    EXPECT_FALSE(parse_sampling_yaml(text).zero_snr);
  }
  EXPECT_TRUE(parse_sampling_yaml("params:\n  zero_terminal_snr: True\n").zero_snr);
  EXPECT_FALSE(parse_sampling_yaml("params:\n  zero_terminal_snr: false\n").zero_snr);
}

TEST(StoredSampling, MetadataAndMarksComeBeforeTheYaml) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "m.yaml", as_bytes("parameterization: v"));
  const auto file = folder / "m.safetensors";
  const StoredSampling beside = stored_sampling(file, {});
  EXPECT_EQ(beside.prediction, "v_prediction");
  EXPECT_THAT(beside.notice, HasSubstr("m.yaml' says that the model predicts v"));
  EXPECT_EQ(stored_sampling(folder / "other.safetensors", {}).prediction, "");
  WeightFile content{{}, {{"modelspec.prediction_type", "epsilon"}}};
  EXPECT_EQ(stored_sampling(file, content).prediction, "epsilon");
  EXPECT_EQ(stored_sampling(file, content).notice, "");
  content = {{}, {{"ss_v_parameterization", "True"}, {"ss_zero_terminal_snr", "True"}}};
  EXPECT_EQ(stored_sampling(folder / "other.safetensors", content).prediction, "v_prediction");
  EXPECT_TRUE(stored_sampling(folder / "other.safetensors", content).zero_snr);
  content = {{{"v_pred", test::weight_of(torch::zeros({0}))}, {"ztsnr", test::weight_of(torch::zeros({0}))}}, {}};
  EXPECT_EQ(stored_sampling(folder / "other.safetensors", content).prediction, "v_prediction");
  EXPECT_TRUE(stored_sampling(folder / "other.safetensors", content).zero_snr);
}

TEST(StoredSampling, ScalesOfEightBitWeightsAreApplied) {
  const torch::Tensor stored = torch::tensor({0.5, -1.75, 3.0}).to(torch::kFloat8_e4m3fn);
  Weights tensors = {{"x.weight", test::weight_of(stored)},
                     {"x.scale_weight", test::weight_of(torch::tensor({0.25F}))},
                     {"x.scale_input", test::weight_of(torch::tensor({2.0F}))}};
  apply_fp8_scales(tensors);
  ASSERT_EQ(tensors.size(), 1U);
  EXPECT_TRUE(torch::equal(read_weight(tensors.at("x.weight"), torch::kFloat16).to(torch::kFloat32),
                           torch::tensor({0.125F, -0.4375F, 0.75F})));
  Weights alone = {{"y.scale_weight", test::weight_of(torch::tensor({0.25F}))}};
  EXPECT_THROW(apply_fp8_scales(alone), ModelError);
}

}  // namespace
}  // namespace fmboost
