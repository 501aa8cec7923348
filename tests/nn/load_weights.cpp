#include "nn/layers/load_weights.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn.h>

#include "fmboost/core/error.h"

#include "nn/layers/half_precision_weights.h"
#include "nn/layers/layers.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class LoadStrictly : public testing::Test {
 protected:
  SafetensorsFile file_of(const NamedTensors& tensors) const {
    write_safetensors(folder_ / "w.safetensors", tensors);
    return SafetensorsFile(folder_ / "w.safetensors");
  }
  std::string refusal(torch::nn::Module& module, const NamedTensors& tensors) const {
    const SafetensorsFile file = file_of(tensors);
    return thrown<ModelError>([&] { load_strictly(module, file); });
  }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(LoadStrictly, CopiesParametersAndBuffersInTheModulesDtype) {
  torch::nn::BatchNorm1d norm(2);
  const auto half = [](double value) { return torch::full({2}, value, torch::kFloat16); };
  load_strictly(*norm, file_of({{"weight", half(1.5)},
                                {"bias", half(2.5)},
                                {"running_mean", half(3.5)},
                                {"running_var", half(4.5)},
                                {"num_batches_tracked", torch::tensor(7, torch::kInt64)}}));
  EXPECT_EQ(norm->weight.scalar_type(), torch::kFloat32);
  EXPECT_EQ(norm->weight[1].item<float>(), 1.5F);
  EXPECT_EQ(norm->bias[0].item<float>(), 2.5F);
  EXPECT_EQ(norm->running_mean[0].item<float>(), 3.5F);
  EXPECT_EQ(norm->running_var[1].item<float>(), 4.5F);
  EXPECT_EQ(norm->num_batches_tracked.item<std::int64_t>(), 7);
  EXPECT_TRUE(norm->weight.requires_grad());
}

TEST_F(LoadStrictly, PrefixSelectsAPartOfTheFile) {
  torch::nn::Linear layer(2, 1);
  const SafetensorsFile file = file_of({{"ema.weight", torch::ones({1, 2})},
                                        {"ema.bias", torch::zeros({1})},
                                        {"online.weight", torch::zeros({1, 2})},
                                        {"online.bias", torch::zeros({1})}});
  load_strictly(*layer, file, "ema.");
  EXPECT_EQ(layer->weight.sum().item<float>(), 2.0F);
  EXPECT_THAT(thrown<ModelError>([&] { load_strictly(*layer, file); }),
              AllOf(HasSubstr("missing (2)"), HasSubstr("unknown to the network (4)")));
}

TEST_F(LoadStrictly, ErrorListsEveryProblem) {
  torch::nn::Sequential network(torch::nn::Linear(2, 3), torch::nn::Linear(3, 1));
  const std::string message = refusal(*network, {{"0.weight", torch::ones({3, 2})},
                                                 {"0.bias", torch::ones({4})},
                                                 {"1.weight", torch::ones({3, 1})},
                                                 {"2.weight", torch::ones({1})}});
  EXPECT_THAT(message, AllOf(HasSubstr("w.safetensors"), HasSubstr("missing (1):\n    1.bias"),
                             HasSubstr("unknown to the network (1):\n    2.weight"), HasSubstr("of another shape (2)"),
                             HasSubstr("0.bias: expected [3], found [4]"),
                             HasSubstr("1.weight: expected [1, 3], found [3, 1]"), Not(HasSubstr("0.weight"))));
}

TEST_F(LoadStrictly, ErrorNamesAtMostTwentyOfEachKind) {
  torch::nn::Sequential network;
  for (int i = 0; i < 15; ++i) {
    network->push_back(torch::nn::Linear(1, 1));
  }
  const std::string message = refusal(*network, {{"other", torch::ones({1})}});
  EXPECT_THAT(message, AllOf(HasSubstr("missing (30)"), HasSubstr("\n    ..."), HasSubstr("other")));
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1 + 20 + 1 + 1 + 1);
}

TEST_F(LoadStrictly, FailureChangesNothing) {
  torch::nn::Linear layer(2, 1);
  const torch::Tensor before = layer->weight.detach().clone();
  refusal(*layer, {{"weight", torch::full({1, 2}, 9.0)}});
  EXPECT_TRUE(torch::equal(layer->weight, before));
}

using LoadInto = LoadStrictly;

TEST_F(LoadInto, PlaceholdersGetTheTensorsInTheRequestedDtype) {
  layers::Linear layer(2, 3);
  EXPECT_EQ(layer->weight.sizes(), at::IntArrayRef({3, 2}));
  EXPECT_EQ(layer->weight.storage().nbytes(), sizeof(float));
  const torch::Tensor weight = torch::arange(6, torch::kFloat32).reshape({3, 2});
  const torch::Tensor bias = torch::full({3}, 0.1, torch::kFloat64);
  const SafetensorsFile file = file_of({{"weight", weight.to(torch::kFloat16)}, {"bias", bias}});
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    load_into(*layer, file, {torch::kCPU, dtype});
    EXPECT_TRUE(torch::equal(layer->weight, weight.to(dtype)));
    EXPECT_TRUE(torch::equal(layer->named_parameters()["bias"], bias.to(dtype)));
  }
}

TEST_F(LoadInto, TensorsWithoutACastStayMapped) {
  layers::Linear layer(64, 64);
  const torch::Tensor weight = torch::randn({64, 64});
  const SafetensorsFile file = file_of({{"weight", weight}, {"bias", torch::zeros({64}, torch::kFloat16)}});
  load_into(*layer, file, {});
  EXPECT_EQ(layer->weight.const_data_ptr(), file.tensor("weight").const_data_ptr());
  EXPECT_TRUE(torch::equal(layer->weight, weight));
}

TEST_F(LoadInto, HalfPrecisionStaysMappedForFloat32OnRequest) {
  for (const auto stored : {torch::kFloat16, torch::kBFloat16}) {
    const auto half = [&](at::IntArrayRef sizes) { return torch::randn(sizes).to(stored); };
    layers::Conv2d convolution(2, 3);
    layers::Embedding table(4, 6);
    const NamedTensors tensors{{"weight", half({3, 2, 3, 3})}, {"bias", half({3})}};
    const SafetensorsFile file = file_of(tensors);
    load_into(*convolution, file, {});
    EXPECT_EQ(convolution->weight.scalar_type(), torch::kFloat32);
    load_into(*convolution, file, {torch::kCPU, torch::kFloat64}, "", HalfPrecisionWeights::stay);
    EXPECT_EQ(convolution->weight.scalar_type(), torch::kFloat64);
    load_into(*convolution, file, {}, "", HalfPrecisionWeights::stay);
    EXPECT_EQ(convolution->weight.const_data_ptr(), file.tensor("weight").const_data_ptr());
    EXPECT_EQ(convolution->bias.scalar_type(), torch::kFloat32);
    const torch::Tensor x = torch::randn({1, 2, 5, 5});
    const auto wide = [&](std::size_t i) { return tensors[i].second.to(torch::kFloat32); };
    EXPECT_TRUE(torch::equal(convolution->forward(x), torch::conv2d(x, wide(0), wide(1), 1, 1)));
    load_into(*table, file_of({{"weight", half({4, 6})}}), {}, "", HalfPrecisionWeights::stay);
    EXPECT_EQ(table->weight.scalar_type(), torch::kFloat32) << "a table does not know what is computed with it";
  }
}

TEST_F(LoadInto, CastTensorsShareABlockThatOutlivesTheFile) {
  layers::Linear layer(5, 3);
  const torch::Tensor weight = torch::arange(15, torch::kFloat32).reshape({3, 5});
  {
    const SafetensorsFile file = file_of({{"weight", weight.to(torch::kFloat16)}, {"bias", weight[0].slice(0, 0, 3)}});
    load_into(*layer, file, {torch::kCPU, torch::kBFloat16});
  }
  const auto address = [](const torch::Tensor& tensor) { return reinterpret_cast<std::uintptr_t>(tensor.data_ptr()); };
  const torch::Tensor bias = layer->bias;
  EXPECT_EQ(address(bias) % 64, 0U);
  EXPECT_EQ(address(layer->weight) - address(bias), 64U) << "bias is read first, and takes 6 bytes";
  EXPECT_TRUE(torch::equal(layer->weight, weight.to(torch::kBFloat16)));
  EXPECT_TRUE(torch::equal(bias, weight[0].slice(0, 0, 3).to(torch::kBFloat16)));
}

TEST(WeightMemory, AllocatesUntilItIsUsedUp) {
  const std::size_t huge_page = std::size_t{2} << 20;
  WeightMemory memory(WeightMemory::padded(5) + WeightMemory::padded(huge_page - 64));
  const torch::Tensor first = memory.take({5}, torch::kInt8).fill_(1);
  const torch::Tensor second = memory.take({static_cast<std::int64_t>(huge_page) - 64}, torch::kInt8).fill_(2);
  EXPECT_EQ(first.sum().item<std::int64_t>(), 5);
  EXPECT_EQ(second.min().item<std::int64_t>(), 2);
  EXPECT_THROW(memory.take({1}, torch::kInt8), std::bad_alloc);
}

TEST_F(LoadInto, NonFiniteTensorIsNamed) {
  layers::Linear layer(2, 3);
  const auto refusal = [&](const torch::Tensor& weight, torch::ScalarType dtype = torch::kFloat32) {
    const SafetensorsFile file = file_of({{"weight", weight}, {"bias", torch::zeros({3})}});
    return thrown<ModelError>([&] { load_into(*layer, file, {torch::kCPU, dtype}); });
  };
  for (const auto dtype : {torch::kFloat64, torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    for (const double value : {NAN, INFINITY, -INFINITY}) {
      torch::Tensor weight = torch::ones({3, 2}, dtype);
      weight[2][1] = value;
      EXPECT_THAT(refusal(weight), AllOf(HasSubstr("tensor 'weight' in '"), HasSubstr("holds NaN or infinity")));
    }
  }
  EXPECT_THAT(refusal(torch::full({3, 2}, 1e5), torch::kFloat16), HasSubstr("too large for float16"));
  EXPECT_THAT(refusal(torch::ones({3, 2}, torch::kInt32)), HasSubstr("holds Int"));
  load_into(*layer, file_of({{"weight", torch::full({3, 2}, 6e4)}, {"bias", torch::zeros({3})}}),
            {torch::kCPU, torch::kFloat16});
}

TEST_F(LoadInto, ChecksNamesAndShapesFirst) {
  layers::Conv2d layer(2, 3);
  const SafetensorsFile file = file_of({{"weight", torch::ones({3, 2, 1, 1})}, {"scale", torch::ones({3})}});
  EXPECT_THAT(thrown<ModelError>([&] { load_into(*layer, file, {}); }),
              AllOf(HasSubstr("missing (1):\n    bias"), HasSubstr("unknown to the network (1):\n    scale"),
                    HasSubstr("weight: expected [3, 2, 3, 3], found [3, 2, 1, 1]")));
}

}  // namespace
}  // namespace fmboost
