#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/nn/cfm_unet_options.h"

#include "nn/cfm/cfm_unet_json.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

CfmUnetOptions read(const json& fields) {
  return parse_cfm_unet_options(fields.dump(), "cfm.json");
}

TEST(CfmOptions, DefaultsAreThePublishedNetwork) {
  EXPECT_EQ(to_json(CfmUnetOptions{}), json::parse(R"({
    "in_channels": 8, "model_channels": 128, "out_channels": 4, "num_res_blocks": 3,
    "attention_resolutions": [8, 16], "dropout": 0.0, "channel_mult": [1, 2, 4, 8], "conv_resample": true,
    "dim_head": 64, "num_heads": 4, "use_linear_attn": true, "use_scale_shift_norm": true, "pool_factor": -1})"));
  EXPECT_EQ(read(json::object()), CfmUnetOptions{});
}

TEST(CfmOptions, RoundTripThroughJson) {
  const json options = {{"in_channels", 32},
                        {"model_channels", 64},
                        {"out_channels", 16},
                        {"num_res_blocks", 2},
                        {"attention_resolutions", json::array()},
                        {"dropout", 0.25},
                        {"channel_mult", {1, 2, 2}},
                        {"conv_resample", false},
                        {"dim_head", 32},
                        {"num_heads", 2},
                        {"use_linear_attn", false},
                        {"use_scale_shift_norm", false},
                        {"pool_factor", 2}};
  EXPECT_EQ(to_json(read(options)), options);
}

TEST(CfmOptions, DropoutMayBeAnInteger) {
  EXPECT_EQ(read({{"dropout", 0}}).dropout, 0.0);
}

TEST(CfmOptions, SideMultipleFollowsTheLevels) {
  CfmUnetOptions options;
  EXPECT_EQ(options.size_multiple(), 8);
  options.pool_factor = 2;
  EXPECT_EQ(options.size_multiple(), 16);
  options.channel_mult = {1};
  options.pool_factor = 1;
  EXPECT_EQ(options.size_multiple(), 1);
}

struct WrongOption {
  json fields;
  const char* name;
  const char* needed;
};

class CfmOption : public testing::TestWithParam<WrongOption> {};

TEST_P(CfmOption, IsRefusedByName) {
  const std::string message = thrown<ModelError>([&] { read(GetParam().fields); });
  EXPECT_THAT(message, AllOf(HasSubstr("'cfm.json'"), HasSubstr(GetParam().name), HasSubstr(GetParam().needed)));
}

INSTANTIATE_TEST_SUITE_P(
    Wrong, CfmOption,
    testing::Values(WrongOption{json::array(), "", "a JSON object"},
                    WrongOption{{{"heads", 4}}, "heads", "not an option of the published network"},
                    WrongOption{{{"model_channels", 128}, {"chanel_mult", {1}}}, "chanel_mult", "not an option"},
                    WrongOption{{{"model_channels", 128.5}}, "model_channels", "a whole number, found 128.5"},
                    WrongOption{{{"model_channels", "128"}}, "model_channels", "a whole number"},
                    WrongOption{{{"num_heads", true}}, "num_heads", "a whole number, found true"},
                    WrongOption{{{"num_heads", nullptr}}, "num_heads", "expected a value, found null"},
                    WrongOption{{{"conv_resample", 1}}, "conv_resample", "true or false"},
                    WrongOption{{{"dropout", true}}, "dropout", "a number"},
                    WrongOption{{{"channel_mult", 4}}, "channel_mult", "a list of whole numbers"},
                    WrongOption{{{"channel_mult", {1, 2.5}}}, "channel_mult", "a list of whole numbers"},
                    WrongOption{{{"attention_resolutions", {"8"}}}, "attention_resolutions", "a list of whole"},
                    WrongOption{{{"model_channels", 33}}, "model_channels", "a multiple of 32"},
                    WrongOption{{{"model_channels", 48}}, "model_channels", "a multiple of 32 (the norms"},
                    WrongOption{{{"model_channels", 0}}, "model_channels", "between 1 and 65536"},
                    WrongOption{{{"in_channels", -8}}, "in_channels", "between 1 and 65536, found -8"},
                    WrongOption{{{"out_channels", 65537}}, "out_channels", "between 1 and 65536"},
                    WrongOption{{{"num_res_blocks", 0}}, "num_res_blocks", "between 1 and 65536"},
                    WrongOption{{{"dim_head", 0}}, "dim_head", "between 1 and 65536"},
                    WrongOption{{{"num_heads", 0}}, "num_heads", "between 1 and 65536"},
                    WrongOption{{{"channel_mult", json::array()}}, "channel_mult", "1 to 12 levels"},
                    WrongOption{{{"channel_mult", std::vector<int>(13, 1)}}, "channel_mult", "1 to 12 levels"},
                    WrongOption{{{"channel_mult", {1, 0}}}, "channel_mult", "between 1 and 65536"},
                    WrongOption{{{"dropout", 1.0}}, "dropout", "at least 0 and less than 1"},
                    WrongOption{{{"dropout", -0.1}}, "dropout", "at least 0 and less than 1"},
                    WrongOption{{{"pool_factor", 65}}, "pool_factor", "at most 64"},
                    WrongOption{{{"pool_factor", 2}, {"channel_mult", {2, 2}}}, "channel_mult", "when pooling"}));

}  // namespace
}  // namespace fmboost
