#include <gtest/gtest.h>
#include <map>

#include "fmboost/core/random.h"

#include "nn/esrgan/rrdb_net.h"
#include "nn/esrgan/srvgg_net.h"
#include "support/compare.h"
#include "network_checks.h"

namespace fmboost {
namespace {

using test::expect_equal_in_strips;
using test::filled;
using test::is_close;
using test::random_values;

constexpr double kTolerance = 1e-5;

// Plain transcriptions of BasicSR's forward functions, by the names of the tensors.
class Named {
 public:
  explicit Named(const torch::nn::Module& network) {
    for (const auto& item : network.named_parameters()) {
      tensors_[item.key()] = item.value();
    }
  }
  torch::Tensor conv(const std::string& name, const torch::Tensor& x) const {
    return torch::conv2d(x, tensors_.at(name + ".weight"), tensors_.at(name + ".bias"), 1, 1);
  }
  torch::Tensor prelu(const std::string& name, const torch::Tensor& x) const {
    const torch::Tensor slope = tensors_.at(name + ".weight").view({1, -1, 1, 1});
    return torch::where(x > 0, x, slope * x);
  }
  std::size_t size() const { return tensors_.size(); }

 private:
  std::map<std::string, torch::Tensor> tensors_;
};

torch::Tensor leaky(const torch::Tensor& x) {
  return torch::where(x > 0, x, 0.2 * x);
}

torch::Tensor plain_dense_block(const Named& named, const std::string& name, const torch::Tensor& x) {
  const torch::Tensor x1 = leaky(named.conv(name + ".conv1", x));
  const torch::Tensor x2 = leaky(named.conv(name + ".conv2", torch::cat({x, x1}, 1)));
  const torch::Tensor x3 = leaky(named.conv(name + ".conv3", torch::cat({x, x1, x2}, 1)));
  const torch::Tensor x4 = leaky(named.conv(name + ".conv4", torch::cat({x, x1, x2, x3}, 1)));
  const torch::Tensor x5 = named.conv(name + ".conv5", torch::cat({x, x1, x2, x3, x4}, 1));
  return x5 * 0.2 + x;
}

torch::Tensor nearest(const torch::Tensor& x, std::int64_t factor) {
  return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3);
}

torch::Tensor plain_rrdb_net(const RrdbNetImpl& network, const torch::Tensor& pixels) {
  const Named named(network);
  const RrdbNetOptions& o = network.options();
  const torch::Tensor first = named.conv("conv_first", torch::pixel_unshuffle(pixels, o.pixel_unshuffle));
  torch::Tensor x = first;
  for (std::int64_t i = 0; i < o.blocks; ++i) {
    const std::string block = "body." + std::to_string(i);
    torch::Tensor inner = x;
    for (const char* dense : {".rdb1", ".rdb2", ".rdb3"}) {
      inner = plain_dense_block(named, block + dense, inner);
    }
    x = inner * 0.2 + x;
  }
  x = first + named.conv("conv_body", x);
  for (std::int64_t i = 1; i <= o.upsamplings; ++i) {
    x = leaky(named.conv("conv_up" + std::to_string(i), nearest(x, 2)));
  }
  return named.conv("conv_last", leaky(named.conv("conv_hr", x)));
}

const RrdbNetOptions kFourTimes{.features = 16, .growth = 8, .blocks = 2};
const RrdbNetOptions kTwice{.features = 12, .growth = 6, .blocks = 1, .pixel_unshuffle = 2};
const RrdbNetOptions kSameSize{.features = 12, .growth = 6, .blocks = 1, .pixel_unshuffle = 4};

TEST(RrdbNet, EqualsAPlainTranscription) {
  for (const auto& options : {kFourTimes, kTwice, kSameSize}) {
    const RrdbNet network = filled(RrdbNet(options));
    const torch::Tensor pixels = random_values({2, 3, 12, 20});
    const torch::Tensor result = network->forward(pixels);
    EXPECT_EQ(result.size(2), 12 * options.factor());
    EXPECT_EQ(result.size(3), 20 * options.factor());
    EXPECT_TRUE(is_close(result, plain_rrdb_net(*network, pixels), kTolerance));
  }
}

TEST(RrdbNet, GivesTheSameInStrips) {
  for (const auto& options : {kFourTimes, kTwice}) {
    const RrdbNet network = filled(RrdbNet(options));
    const torch::Tensor pixels = random_values({1, 3, 52, 8});
    expect_equal_in_strips([&](const StripLimits* strips) { return network->forward(pixels, strips); });
  }
}

TEST(RrdbNet, HasTheTensorsOfThePublishedNetwork) {
  EXPECT_EQ(Named(*RrdbNet(RrdbNetOptions())).size(), 702U);  // RealESRGAN_x4plus.pth, params_ema
}

TEST(SrvggNet, EqualsAPlainTranscription) {
  for (const std::int64_t scale : {1, 2, 4}) {
    const SrvggNet network = filled(SrvggNet(SrvggNetOptions{.features = 8, .convolutions = 3, .scale = scale}));
    const torch::Tensor pixels = random_values({2, 3, 9, 14});
    const Named named(*network);
    torch::Tensor x = pixels;
    for (int i = 0; i < 4; ++i) {
      x = named.prelu("body." + std::to_string(2 * i + 1), named.conv("body." + std::to_string(2 * i), x));
    }
    const torch::Tensor expected = torch::pixel_shuffle(named.conv("body.8", x), scale) + nearest(pixels, scale);
    EXPECT_TRUE(is_close(network->forward(pixels), expected, kTolerance));
  }
}

TEST(SrvggNet, GivesTheSameInStrips) {
  const SrvggNet network = filled(SrvggNet(SrvggNetOptions{.features = 8, .convolutions = 3, .scale = 4}));
  const torch::Tensor pixels = random_values({1, 3, 37, 10});
  expect_equal_in_strips([&](const StripLimits* strips) { return network->forward(pixels, strips); });
}

TEST(SrvggNet, HasTheTensorsOfThePublishedNetwork) {
  EXPECT_EQ(Named(*SrvggNet(SrvggNetOptions())).size(), 101U);  // realesr-general-x4v3.pth, params
}

}  // namespace
}  // namespace fmboost
