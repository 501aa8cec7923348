#include "nn/cfm/cfm_unet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::is_close;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

CfmUnetOptions small_options() {
  CfmUnetOptions options;
  options.model_channels = 32;
  options.num_res_blocks = 1;
  options.attention_resolutions = {2};
  options.channel_mult = {1, 2};
  options.dim_head = 8;
  options.num_heads = 2;
  return options;
}

// As after some training: nothing is zero any more.
CfmUnet trained(const CfmUnetOptions& options) {
  torch::manual_seed(7);
  CfmUnet network(options);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : network->parameters()) {
    parameter.add_(0.05 * torch::randn_like(parameter));
  }
  return network;
}

struct Inputs {
  torch::Tensor x, t, context;
};

Inputs inputs_for(const CfmUnetOptions& options, std::int64_t batch, std::int64_t height, std::int64_t width) {
  torch::manual_seed(11);
  const bool with_context = options.in_channels > options.out_channels;
  const std::int64_t channels = with_context ? options.in_channels - options.out_channels : options.in_channels;
  return {torch::randn({batch, options.out_channels, height, width}), torch::rand({batch}),
          with_context ? torch::randn({batch, channels, height, width}) : torch::Tensor()};
}

struct Variant {
  const char* name;
  std::function<void(CfmUnetOptions&)> change;
};

class CfmVariant : public testing::TestWithParam<Variant> {
 protected:
  CfmVariant() { GetParam().change(options_); }
  CfmUnetOptions options_ = small_options();
};

TEST_P(CfmVariant, RunsAtEveryAcceptedSize) {
  CfmUnet network = trained(options_);
  const std::int64_t m = options_.size_multiple();
  for (const auto& [height, width] : {std::pair{m, m}, std::pair{2 * m, 5 * m}}) {
    const Inputs in = inputs_for(options_, 2, height, width);
    const torch::Tensor v = network->forward(in.x, in.t, in.context);
    EXPECT_EQ(v.sizes(), in.x.sizes());
    EXPECT_TRUE(v.isfinite().all().item<bool>());
    EXPECT_GT(v.abs().mean().item<double>(), 1e-3);
  }
}

TEST_P(CfmVariant, StartsAtZeroUnlessItPools) {
  CfmUnet network(options_);
  const std::int64_t m = options_.size_multiple();
  const Inputs in = inputs_for(options_, 1, 2 * m, 2 * m);
  const bool zero = network->forward(in.x, in.t, in.context).eq(0).all().item<bool>();
  EXPECT_EQ(zero, options_.pool_factor <= 1);
}

TEST_P(CfmVariant, UsesEveryParameter) {
  CfmUnet network = trained(options_);
  const std::int64_t m = options_.size_multiple();
  const Inputs in = inputs_for(options_, 2, 2 * m, 2 * m);
  network->forward(in.x, in.t, in.context).square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST_P(CfmVariant, SamplesOfABatchAreIndependent) {
  CfmUnet network = trained(options_);
  const std::int64_t m = options_.size_multiple();
  const Inputs in = inputs_for(options_, 3, 2 * m, m);
  const torch::NoGradGuard no_grad;
  const torch::Tensor together = network->forward(in.x, in.t, in.context);
  const torch::Tensor context = in.context.defined() ? in.context.slice(0, 1, 2) : torch::Tensor();
  const torch::Tensor alone = network->forward(in.x.slice(0, 1, 2), in.t.slice(0, 1, 2), context);
  EXPECT_TRUE(is_close(together.slice(0, 1, 2), alone, 1e-5));
}

INSTANTIATE_TEST_SUITE_P(
    Cfm, CfmVariant,
    testing::Values(Variant{"LinearAttention", [](CfmUnetOptions&) {}},
                    Variant{"SoftmaxAttention", [](CfmUnetOptions& o) { o.use_linear_attn = false; }},
                    Variant{"AttentionEverywhere",
                            [](CfmUnetOptions& o) {
                              o.attention_resolutions = {1, 2};
                            }},
                    Variant{"AttentionInTheMiddleOnly", [](CfmUnetOptions& o) { o.attention_resolutions = {}; }},
                    Variant{"AdditiveEmbedding", [](CfmUnetOptions& o) { o.use_scale_shift_norm = false; }},
                    Variant{"PlainResampling", [](CfmUnetOptions& o) { o.conv_resample = false; }},
                    Variant{"Pooled", [](CfmUnetOptions& o) { o.pool_factor = 2; }},
                    Variant{"WithoutContext", [](CfmUnetOptions& o) { o.in_channels = 4; }},
                    Variant{"OneLevel", [](CfmUnetOptions& o) { o.channel_mult = {1}; }},
                    Variant{"WideFirstLevel",
                            [](CfmUnetOptions& o) {
                              o.channel_mult = {2, 1};
                            }},
                    Variant{"ThreeBlocksALevel", [](CfmUnetOptions& o) { o.num_res_blocks = 3; }},
                    Variant{"OddHeads", [](CfmUnetOptions& o) { o.num_heads = 3, o.dim_head = 5; }}),
    [](const auto& test) { return test.param.name; });

TEST(CfmUnet, HasThePublishedNumberOfParameters) {
  // In half precision for the sake of time: the numbers do not matter.
  const auto usual = torch::get_default_dtype();
  torch::set_default_dtype(caffe2::TypeMeta::Make<at::BFloat16>());
  std::int64_t count = 0;
  for (const auto& parameter : CfmUnet(CfmUnetOptions{})->parameters()) {
    count += parameter.numel();
  }
  torch::set_default_dtype(usual);
  EXPECT_EQ(count, 305'806'340);
}

TEST(CfmUnet, ContextIsConcatenatedAsChannels) {
  CfmUnet network = trained(small_options());
  const Inputs in = inputs_for(small_options(), 1, 4, 4);
  const torch::Tensor joined = network->forward(torch::cat({in.x, in.context}, 1), in.t);
  EXPECT_TRUE(torch::equal(network->forward(in.x, in.t, in.context), joined));
}

TEST(CfmUnet, DependsOnTime) {
  CfmUnet network = trained(small_options());
  const Inputs in = inputs_for(small_options(), 1, 4, 4);
  const torch::Tensor early = network->forward(in.x, torch::zeros({1}), in.context);
  const torch::Tensor late = network->forward(in.x, torch::ones({1}), in.context);
  EXPECT_GT((early - late).abs().max().item<double>(), 1e-3);
}

TEST(CfmUnet, DropsOutOnlyWhileTraining) {
  CfmUnetOptions options = small_options();
  options.dropout = 0.5;
  CfmUnet network = trained(options);
  const Inputs in = inputs_for(options, 1, 4, 4);
  const auto run = [&] { return network->forward(in.x, in.t, in.context); };
  network->train();
  EXPECT_FALSE(torch::equal(run(), run()));
  network->eval();
  EXPECT_TRUE(torch::equal(run(), run()));
  options.dropout = 0.0;
  CfmUnet without = trained(options);
  without->train();
  EXPECT_TRUE(torch::equal(without->forward(in.x, in.t, in.context), run()));
}

TEST(CfmUnet, ErrorsNameTheAcceptedShapes) {
  CfmUnet network(small_options());
  const auto run = [&](at::IntArrayRef shape) {
    return thrown<ModelError>([&] { network->forward(torch::zeros(shape), torch::zeros({1})); });
  };
  EXPECT_THAT(run({1, 4, 8, 8}), AllOf(HasSubstr("needs (B, 8, H, W)"), HasSubstr("got [1, 4, 8, 8]")));
  EXPECT_THAT(run({1, 8, 7, 8}), HasSubstr("H and W multiples of 2"));
  EXPECT_THAT(run({1, 8, 8, 9}), HasSubstr("got [1, 8, 8, 9]"));
  EXPECT_THAT(run({8, 8, 8}), HasSubstr("got [8, 8, 8]"));
}

TEST(CfmUnet, ParameterNamesMatchThePublishedOnes) {
  CfmUnetOptions options = small_options();
  options.pool_factor = 2;
  const auto names = CfmUnet(options)->named_parameters().keys();
  for (const char* name : {"time_embed.0.weight",
                           "time_embed.2.bias",
                           "pool.down_conv.weight",
                           "un_pool.up_conv.bias",
                           "input_blocks.0.0.weight",
                           "input_blocks.1.0.in_layers.0.weight",
                           "input_blocks.1.0.in_layers.2.weight",
                           "input_blocks.1.0.emb_layers.1.weight",
                           "input_blocks.1.0.out_layers.3.bias",
                           "input_blocks.2.0.op.weight",
                           "input_blocks.3.0.skip_connection.weight",
                           "input_blocks.3.1.norm.weight",
                           "input_blocks.3.1.qkv.weight",
                           "input_blocks.3.1.proj_out.bias",
                           "middle_block.0.in_layers.0.bias",
                           "middle_block.1.qkv.weight",
                           "middle_block.2.out_layers.0.weight",
                           "output_blocks.1.2.conv.weight",
                           "out.0.weight",
                           "out.2.bias"}) {
    EXPECT_THAT(names, testing::Contains(name));
  }
}

}  // namespace
}  // namespace fmboost
