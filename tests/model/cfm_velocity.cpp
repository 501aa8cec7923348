#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "nn/cfm/cfm_unet.h"
#include "nn/layers/load_weights.h"
#include "support/compare.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::is_close;
using test::thrown;
using test::TinyBundle;
using testing::AllOf;
using testing::HasSubstr;

class CfmVelocity : public testing::Test {
 protected:
  std::unique_ptr<VelocityNetwork> load(torch::ScalarType dtype = torch::kFloat32) const {
    const Bundle bundle = files_.open();
    return bundle.load_velocity(bundle.manifest().couplings[0], {torch::kCPU, dtype});
  }

  // Writes the weights again, with a change.
  void rewrite(const std::function<void(NamedTensors&)>& change, const std::map<std::string, std::string>& metadata) {
    NamedTensors tensors;
    {
      const SafetensorsFile file(weights_);
      for (const auto& [name, entry] : file.entries()) {
        tensors.emplace_back(name, file.tensor(name).clone());
      }
    }
    change(tensors);
    write_safetensors(weights_, tensors, metadata);
    files_.write();
  }
  std::string refusal() const {
    return thrown<ModelError>([&] { load(); });
  }
  std::string refusal_with_config(const std::string& config) {
    rewrite([](NamedTensors&) {}, {{"config", config}});
    return refusal();
  }

  TinyBundle files_;
  std::filesystem::path weights_ = files_.folder() / "cfm.safetensors";
  torch::Tensor x_ = torch::linspace(-1, 1, 4 * 6 * 8).reshape({1, 4, 6, 8});
};

TEST_F(CfmVelocity, UsesTheWeightsOfTheFile) {
  CfmUnet network(files_.open().manifest().couplings[0].network);
  load_strictly(*network, SafetensorsFile(weights_));
  const torch::Tensor expected = network->forward(x_, torch::full({1}, 0.25), x_ * 2);
  const torch::Tensor velocity = load()->velocity(x_, 0.25, x_ * 2);
  EXPECT_TRUE(is_close(velocity, expected, 1e-6));
  EXPECT_FALSE(velocity.requires_grad());
}

TEST_F(CfmVelocity, ComputesInThePlacementsDtypeAndReturnsFloat32) {
  const torch::Tensor exact = load()->velocity(x_, 0.25, x_);
  const torch::Tensor coarse = load(torch::kBFloat16)->velocity(x_, 0.25, x_);
  EXPECT_EQ(coarse.scalar_type(), torch::kFloat32);
  const double error = test::compare(coarse, exact).error;
  EXPECT_GT(error, 1e-4);
  EXPECT_LT(error, 5e-2);
}

TEST_F(CfmVelocity, DependsOnTheContext) {
  const auto network = load();
  const torch::Tensor one = network->velocity(x_, 0.25, x_);
  const torch::Tensor other = network->velocity(x_, 0.25, -x_);
  EXPECT_GT((one - other).abs().max().item<double>(), 1e-3);
}

TEST_F(CfmVelocity, ContextIsIgnoredByNetworksWithoutIt) {
  for (auto& coupling : files_.manifest["couplings"]) {
    coupling["network"]["in_channels"] = 4;
  }
  rewrite(
      [](NamedTensors& tensors) {
        for (auto& [name, tensor] : tensors) {
          tensor = name == "input_blocks.0.0.weight" ? tensor.slice(1, 0, 4).contiguous() : tensor;
        }
      },
      {});
  const auto network = load();
  EXPECT_TRUE(torch::equal(network->velocity(x_, 0.5, x_), network->velocity(x_, 0.5, torch::Tensor())));
}

TEST_F(CfmVelocity, MismatchedWeightsAreListed) {
  rewrite(
      [](NamedTensors& tensors) {
        tensors[0].first = "out.9.weight";
        tensors[1].second = torch::zeros({7});
      },
      {});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("cfm.safetensors' do not fit the network"), HasSubstr("missing (1)"),
                               HasSubstr("out.9.weight"), HasSubstr("found [7]")));
  EXPECT_THAT(thrown<ModelError>([&] { files_.open().verify(); }), HasSubstr("do not fit the network"));
}

TEST_F(CfmVelocity, ComparesTheNetworkInTheFileWithTheManifest) {
  json config = json::parse(to_json_text(files_.open().manifest().couplings[0].network));
  rewrite([](NamedTensors&) {}, {{"config", config.dump()}});
  EXPECT_NE(load(), nullptr);
  config["num_heads"] = 2;
  config["dim_head"] = 4;
  EXPECT_THAT(refusal_with_config(config.dump()),
              AllOf(HasSubstr("cfm.safetensors' was made for the network"), HasSubstr("\"num_heads\":2")));
}

TEST_F(CfmVelocity, UnreadableFileIsNamed) {
  EXPECT_THAT(refusal_with_config("{"), AllOf(HasSubstr("cfm.safetensors"), HasSubstr("is not valid JSON")));
  EXPECT_THAT(refusal_with_config("[]"), AllOf(HasSubstr("cfm.safetensors"), HasSubstr("a JSON object")));
  EXPECT_THAT(refusal_with_config(R"({"heads": 3})"),
              AllOf(HasSubstr("cfm.safetensors"), HasSubstr("heads: not an option")));
  EXPECT_THAT(refusal_with_config(std::string(100000, '[')), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace fmboost
