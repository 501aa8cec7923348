#include "import/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "weight_of.h"

namespace fmboost {
namespace {

using test::shape_of;
using test::thrown;
using test::weight_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Weights, AreReadFromTheFileOnDemand) {
  const test::TemporaryFolder folder;
  const torch::Tensor a = torch::rand({3, 5}).to(torch::kFloat16);
  write_safetensors(folder / "file.safetensors", {{"a", a}, {"empty", torch::empty({0, 2})}}, {{"kind", "test"}});
  const WeightFile file = open_weights(folder / "file.safetensors");
  EXPECT_EQ(file.metadata.at("kind"), "test");
  const Weight& weight = file.tensors.at("a");
  EXPECT_EQ(weight.dtype, torch::kFloat16);
  EXPECT_THAT(weight.shape, ElementsAre(3, 5));
  EXPECT_THAT(weight.origin, AllOf(HasSubstr("file.safetensors"), HasSubstr("'a'")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(torch::equal(weight.read(), a));
  }
  EXPECT_EQ(file.tensors.at("empty").read().numel(), 0);
}

TEST(Weights, PrefixSelectsAPart) {
  Weights all;
  for (const char* name : {"a", "model.x", "model.y.z", "model_ema.x", "modelx"}) {
    all.emplace(name, shape_of({1}));
  }
  const Weights taken = take_prefix(all, "model.");
  EXPECT_EQ(taken.size(), 2U);
  EXPECT_TRUE(taken.contains("y.z"));
  EXPECT_EQ(all.size(), 3U);
}

TEST(Weights, CanBeReshapedAndCut) {
  const torch::Tensor tensor = torch::arange(12, torch::kFloat32).reshape({6, 2});
  const Weight part = reshaped(rows(weight_of(tensor), 2, 4), {1, 4});
  EXPECT_THAT(part.shape, ElementsAre(1, 4));
  EXPECT_TRUE(torch::equal(part.read(), torch::tensor({{4.F, 5.F, 6.F, 7.F}})));
}

TEST(WrittenDtype, KeepsTheStoredOneIfSupported) {
  const auto of = [](torch::ScalarType dtype) { return written_dtype(weight_of(torch::zeros({1}, dtype)), {}); };
  EXPECT_EQ(of(torch::kFloat32), torch::kFloat32);
  EXPECT_EQ(of(torch::kFloat16), torch::kFloat16);
  EXPECT_EQ(of(torch::kBFloat16), torch::kBFloat16);
  EXPECT_EQ(of(torch::kFloat64), torch::kFloat32);
  EXPECT_EQ(of(torch::kFloat8_e4m3fn), torch::kFloat16);
  EXPECT_EQ(written_dtype(weight_of(torch::zeros({1})), torch::kBFloat16), torch::kBFloat16);
  EXPECT_THAT(thrown<ModelError>([&] { of(torch::kInt64); }), HasSubstr("Long"));
}

TEST(ReadWeight, ComputesInFloat32AndCastsAtTheEnd) {
  Weight weight = weight_of(torch::full({2}, 1.0, torch::kFloat16));
  for (int i = 0; i < 2; ++i) {
    weight.changes.emplace_back([](torch::Tensor& tensor) {
      EXPECT_EQ(tensor.scalar_type(), torch::kFloat32);
      tensor.add_(0.0003);  // too little for float16, twice is enough
    });
  }
  EXPECT_GT(read_weight(weight, torch::kFloat16)[0].item<float>(), 1.0F);
  EXPECT_EQ(weight.read()[0].item<float>(), 1.0F);  // the source is as it was
}

TEST(ReadWeight, NonFiniteTensorIsNamed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Weight weight = weight_of(torch::tensor({1.0F, bad}), "'model', tensor 'conv.weight'");
    EXPECT_THAT(thrown<ModelError>([&] { read_weight(weight, torch::kFloat32); }),
                AllOf(HasSubstr("'conv.weight'"), HasSubstr("NaN or infinity")));
  }
}

TEST(ReadWeight, OverflowingTensorIsNamed) {
  const Weight weight = weight_of(torch::tensor({1e6F}), "'model', tensor 'conv.weight'");
  EXPECT_THAT(thrown<ModelError>([&] { read_weight(weight, torch::kFloat16); }),
              AllOf(HasSubstr("'conv.weight'"), HasSubstr("too large for float16")));
  EXPECT_EQ(read_weight(weight, torch::kFloat32).item<float>(), 1e6F);
}

TEST(FirstFew, CountsTheRest) {
  EXPECT_EQ(first_few({"a"}), "a");
  EXPECT_EQ(first_few({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(first_few({"a", "b", "c", "d", "e"}), "a, b, c and 2 more");
}

}  // namespace
}  // namespace fmboost
