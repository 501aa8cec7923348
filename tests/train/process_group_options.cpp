#include "train/distributed/process_group_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

EnvironmentLookup lookup_in(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

ProcessGroupOptions options_from(const Variables& variables) {
  return ProcessGroupOptions::from_environment(lookup_in(variables));
}

std::string error_from(const Variables& variables) {
  return test::thrown<UsageError>([&] { options_from(variables); });
}

TEST(ProcessGroupOptions, DefaultIsOneProcess) {
  const ProcessGroupOptions options = options_from({});
  EXPECT_EQ(options.size, 1);
  EXPECT_EQ(options.rank, 0);
  EXPECT_EQ(options.local_rank, 0);
}

TEST(ProcessGroupOptions, TorchrunVariablesAreRead) {
  const ProcessGroupOptions options = options_from({{"RANK", "5"},
                                                    {"WORLD_SIZE", "8"},
                                                    {"LOCAL_RANK", "1"},
                                                    {"MASTER_ADDR", "node01"},
                                                    {"MASTER_PORT", "29511"},
                                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  EXPECT_EQ(options.rank, 5);
  EXPECT_EQ(options.size, 8);
  EXPECT_EQ(options.local_rank, 1);
  EXPECT_EQ(options.master_address, "node01");
  EXPECT_EQ(options.master_port, 29511);
  EXPECT_TRUE(options.agent_store);
}

TEST(ProcessGroupOptions, LocalRankDefaultsToTheRank) {
  const ProcessGroupOptions options =
      options_from({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", "4000"}});
  EXPECT_EQ(options.local_rank, 1);
  EXPECT_FALSE(options.agent_store);
}

TEST(ProcessGroupOptions, SrunVariablesAreRead) {
  Variables variables{{"SLURM_STEP_NUM_TASKS", "4"},
                      {"SLURM_PROCID", "3"},
                      {"SLURM_LOCALID", "1"},
                      {"SLURM_STEP_NODELIST", "gpu[03-04,09]"},
                      {"SLURM_JOB_ID", "4712345"}};
  ProcessGroupOptions options = options_from(variables);
  EXPECT_EQ(options.rank, 3);
  EXPECT_EQ(options.size, 4);
  EXPECT_EQ(options.local_rank, 1);
  EXPECT_EQ(options.master_address, "gpu03");
  EXPECT_EQ(options.master_port, 17345);
  variables["MASTER_ADDR"] = "10.0.0.7";
  variables["MASTER_PORT"] = "5000";
  options = options_from(variables);
  EXPECT_EQ(options.master_address, "10.0.0.7");
  EXPECT_EQ(options.master_port, 5000);
}

// A batch script runs once, even if the job has several tasks.
TEST(ProcessGroupOptions, BatchScriptOutsideSrunIsOneProcess) {
  EXPECT_EQ(options_from({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).size, 1);
}

TEST(ProcessGroupOptions, MissingVariableIsNamed) {
  EXPECT_THAT(error_from({{"RANK", "0"}}),
              AllOf(HasSubstr("RANK is set, but WORLD_SIZE is not"), HasSubstr("torchrun")));
  EXPECT_THAT(error_from({{"WORLD_SIZE", "2"}}), HasSubstr("WORLD_SIZE is set, but RANK is not"));
  EXPECT_THAT(error_from({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), HasSubstr("MASTER_ADDR is not"));
  EXPECT_THAT(error_from({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}), HasSubstr("MASTER_PORT is not"));
  EXPECT_THAT(error_from({{"SLURM_STEP_NUM_TASKS", "2"}}), HasSubstr("SLURM_PROCID is not"));
}

TEST(ProcessGroupOptions, VariableOutOfRangeIsNamed) {
  const auto with = [](const std::string& name, const std::string& value) {
    Variables variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "4000"}};
    variables[name] = value;
    return error_from(variables);
  };
  EXPECT_THAT(with("RANK", "2"), AllOf(HasSubstr("RANK"), HasSubstr("0 to 1"), HasSubstr("got 2")));
  EXPECT_THAT(with("RANK", "-1"), HasSubstr("got -1"));
  EXPECT_THAT(with("WORLD_SIZE", "0"), AllOf(HasSubstr("WORLD_SIZE"), HasSubstr("at least 1")));
  EXPECT_THAT(with("WORLD_SIZE", "two"), HasSubstr("WORLD_SIZE must be a whole number, got 'two'"));
  EXPECT_THAT(with("LOCAL_RANK", "2"), HasSubstr("LOCAL_RANK"));
  EXPECT_THAT(with("MASTER_PORT", "65536"), AllOf(HasSubstr("MASTER_PORT"), HasSubstr("1 to 65535")));
}

TEST(ProcessGroupOptions, EveryProcessOfAMachineGetsItsOwnGpu) {
  ProcessGroupOptions options;
  options.rank = 5;
  options.size = 8;
  options.local_rank = 1;
  EXPECT_EQ(process_device_name("auto", options, 4), "cuda:1");
  EXPECT_EQ(process_device_name("cuda", options, 4), "cuda:1");
  EXPECT_EQ(process_device_name("cuda", options, 1), "cuda:0") << "if the launcher makes one GPU visible per process";
  EXPECT_EQ(process_device_name("cuda:3", options, 4), "cuda:3");
  EXPECT_EQ(process_device_name("cpu", options, 4), "cpu");
  EXPECT_EQ(process_device_name("auto", options, 0), "auto");
  EXPECT_EQ(process_device_name("auto", ProcessGroupOptions(), 4), "auto");
  options.local_rank = 3;
  EXPECT_THAT(test::thrown<UsageError>([&] { process_device_name("auto", options, 2); }),
              AllOf(HasSubstr("2 GPUs"), HasSubstr("`device` cpu")));
}

TEST(ProcessGroupOptions, FirstHostOfASlurmNodeListIsParsed) {
  EXPECT_EQ(first_slurm_host("node07"), "node07");
  EXPECT_EQ(first_slurm_host("login1,node[07-09]"), "login1");
  EXPECT_EQ(first_slurm_host("node[07-09,12],login1"), "node07");
  EXPECT_EQ(first_slurm_host("rack2-node[11,14]"), "rack2-node11");
  EXPECT_THROW(first_slurm_host(""), UsageError);
}

}  // namespace
}  // namespace fmboost
