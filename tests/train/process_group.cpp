#include "train/distributed/process_group.h"

#include <ATen/Parallel.h>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "fmboost/io/safetensors.h"

#include "probe_network.h"
#include "process_group_run.h"
#include "support/compare.h"
#include "support/processes.h"

namespace fmboost {
namespace {

using test::ProcessGroupRun;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Errors must not contain stack traces or positions in LibTorch's sources.
auto is_clean_error(const std::string& text) {
  return AllOf(HasSubstr("error: " + text), Not(HasSubstr("frame #")), Not(HasSubstr(".cpp:")));
}

TEST(ProcessGroup, SingleProcessNeedsNoOthers) {
  ProcessGroup group;
  torch::Tensor tensor = torch::arange(3.0);
  group.broadcast({tensor});
  group.all_reduce_sum(tensor);
  group.start_all_reduce_sum(tensor)();
  group.barrier();
  group.check();
  group.require_same("anything", 1);
  EXPECT_TRUE(torch::equal(tensor, torch::arange(3.0)));
  EXPECT_TRUE(group.is_first());
  EXPECT_TRUE(group.any(true));
  EXPECT_FALSE(group.any(false));
}

TEST(ProcessGroup, CollectivesReachAllProcesses) {
  const test::TemporaryFolder folder;
  ProcessGroupRun run(3, "collectives", folder / "rank");
  for (std::size_t rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(run[rank].wait(), 0) << run[rank].output();
    const SafetensorsFile file(folder / ("rank" + std::to_string(rank)));
    const auto expect = [&](const std::string& name, const torch::Tensor& value) {
      EXPECT_TRUE(torch::allclose(file.tensor(name), value)) << name << " on rank " << rank;
    };
    expect("sum", torch::tensor({6.0F, 60.0F}));
    expect("sum of a view", torch::full({4, 3}, 3.0F));
    expect("broadcast", torch::arange(24.0).view({1, 2, 3, 4}));
    expect("any", torch::tensor({0.0F, 1.0F}));
    expect("used", torch::full({3}, 2.0F));
    expect("unused", torch::zeros({2}));
  }
}

TEST(GradientReducer, TwoProcessesGetTheGradientsOfTheWholeBatch) {
  const test::TemporaryFolder folder;
  ProcessGroupRun run(2, "gradients", folder / "gradients");
  at::set_num_threads(1);  // two processes are at work already
  ProcessGroup alone;
  const test::ProbeRun whole = test::run_probe(alone, 1 << 20);
  ASSERT_EQ(run[0].wait(), 0) << run[0].output();
  ASSERT_EQ(run[1].wait(), 0) << run[1].output();
  const SafetensorsFile halves(folder / "gradients");
  ASSERT_GT(whole.gradients.size(), 100U);
  for (const auto& [name, gradient] : whole.gradients) {
    ASSERT_GT(gradient.abs().max().item<double>(), 0) << name << " does not test anything";
    EXPECT_TRUE(test::is_close(halves.tensor("once." + name), gradient, 1e-5)) << name;
    EXPECT_TRUE(test::is_close(halves.tensor("accumulated." + name), gradient, 1e-5)) << name << ", accumulated";
  }
  EXPECT_GT(std::stoi(halves.metadata().at("buckets")), 4);
  EXPECT_EQ(halves.metadata().at("overlapped"), halves.metadata().at("buckets"))
      << "buckets waited for the end of the backward pass";
}

TEST(ProcessGroup, KilledProcessIsNamed) {
  ProcessGroupRun run(2, "killed");
  EXPECT_EQ(run[1].wait(), 128 + SIGKILL);
  EXPECT_EQ(run[0].wait(std::chrono::seconds(30)), 1);
  EXPECT_THAT(run[0].output(),
              AllOf(is_clean_error("rank 1 ("), HasSubstr("does not respond"), HasSubstr("last checkpoint")));
}

TEST(ProcessGroup, KilledRankZeroIsNamed) {
  ProcessGroupRun run(2, "first-killed");
  EXPECT_EQ(run[0].wait(), 128 + SIGKILL);
  EXPECT_EQ(run[1].wait(std::chrono::seconds(30)), 1);
  EXPECT_THAT(run[1].output(), AllOf(is_clean_error("rank 0 ("), HasSubstr("does not respond")));
}

TEST(ProcessGroup, StoppedProcessIsNamed) {
  ProcessGroupRun run(2, "stopped");
  EXPECT_EQ(run[0].wait(std::chrono::seconds(30)), 1);
  EXPECT_THAT(run[0].output(), AllOf(HasSubstr("rank 1 ("), HasSubstr("does not respond")));
}

TEST(ProcessGroup, BlockedProcessIsTerminated) {
  ProcessGroupRun run(2, "killed-while-the-other-is-blocked");
  EXPECT_EQ(run[0].wait(std::chrono::seconds(30)), 1);
  EXPECT_THAT(run[0].output(), AllOf(HasSubstr("rank 1 ("), HasSubstr("does not respond")));
}

TEST(ProcessGroup, FailedProcessIsNamed) {
  ProcessGroupRun run(2, "failed");
  EXPECT_EQ(run[1].wait(), 1);
  EXPECT_THAT(run[1].output(), is_clean_error("the failure of this process"));
  EXPECT_EQ(run[0].wait(std::chrono::seconds(30)), 1);
  EXPECT_THAT(run[0].output(), AllOf(is_clean_error("rank 1 ("), HasSubstr("stopped with an error")));
}

TEST(ProcessGroup, BusyProcessIsNotLost) {
  ProcessGroupRun run(2, "busy");
  EXPECT_EQ(run[0].wait(), 0) << run[0].output();
  EXPECT_EQ(run[1].wait(), 0) << run[1].output();
}

TEST(ProcessGroup, DifferentValuesAreRefused) {
  ProcessGroupRun run(2, "disagree");
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(run[rank].wait(), 2);
    EXPECT_THAT(run[rank].output(),
                is_clean_error("the processes disagree on the number of training pairs: 100 to 101"));
  }
}

TEST(ProcessGroup, DuplicateRankIsRefused) {
  ProcessGroupRun run(3, "join", "", {0, 1, 1});
  while (!run[1].ended() && !run[2].ended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  test::ChildProcess& refused = run[1].ended() ? run[1] : run[2];
  EXPECT_EQ(refused.wait(), 2);
  EXPECT_THAT(refused.output(), is_clean_error("two processes have rank 1"));
}

// Starts one process of two, with a join timeout of one second.
std::string join_alone(int rank, int port, int expected_code) {
  test::ChildProcess process({FMBOOST_TRAIN_PROBE, "join"}, {{"RANK", std::to_string(rank)},
                                                             {"WORLD_SIZE", "2"},
                                                             {"MASTER_ADDR", "127.0.0.1"},
                                                             {"MASTER_PORT", std::to_string(port)},
                                                             {"PROBE_JOIN", "1"}});
  EXPECT_EQ(process.wait(), expected_code);
  return process.output();
}

TEST(ProcessGroup, MissingProcessIsNamed) {
  EXPECT_THAT(join_alone(0, test::free_port(), 1),
              AllOf(is_clean_error("of 2 processes (WORLD_SIZE) these did not join"), HasSubstr("rank 1")));
}

TEST(ProcessGroup, UnreachableRankZeroIsAnError) {
  EXPECT_THAT(join_alone(1, test::free_port(), 1),
              AllOf(HasSubstr("error: rank 1 cannot reach rank 0 at 127.0.0.1:"), Not(HasSubstr("frame #"))));
}

TEST(ProcessGroup, OccupiedPortIsAnError) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(socket, generic, size), 0);
  ASSERT_EQ(::listen(socket, 1), 0);
  ASSERT_EQ(::getsockname(socket, generic, &size), 0);
  const int port = ntohs(address.sin_port);
  EXPECT_THAT(join_alone(0, port, 1), AllOf(is_clean_error("port " + std::to_string(port)), HasSubstr("MASTER_PORT")));
  ::close(socket);
}

}  // namespace
}  // namespace fmboost
