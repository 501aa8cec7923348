#include "train/checkpoint.h"

#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "toy_pairs.h"

namespace fmboost::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

void train(TrainingState& state, int steps) {
  for (int i = 0; i < steps; ++i) {
    const LatentBatch batch = batch_of(NoisePairs(4), {0, 1});
    state.backward(batch, draw_flow_noise(state.options().flow, batch.latent.sizes(), 1, batch.numbers));
    state.step(false);
  }
}

RunPosition position_of(const TrainingState& state) {
  return {.step = state.steps_done(),
          .samples = 2 * state.steps_done(),
          .ema_updates = state.ema_updates(),
          .dataset_size = 4};
}

void save_steps(CheckpointFolder& folder, TrainingState& state, std::vector<std::int64_t> steps) {
  for (const auto step : steps) {
    state.set_progress(step, step);
    folder.save(state, position_of(state));
  }
}

void expect_equal_state(const TrainingState& one, const TrainingState& other) {
  const NamedTensors a = one.tensors();
  const NamedTensors b = other.tensors();
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::equal(a[i].second, b[i].second)) << a[i].first;
  }
}

class CheckpointTest : public testing::Test {
 protected:
  TemporaryFolder temporary_;
  fs::path folder_ = temporary_ / "checkpoints";
  TrainingState state_{small_training(), torch::kCPU};
};

TEST_F(CheckpointTest, LoadRestoresEveryTensorAndCounter) {
  train(state_, 3);
  CheckpointFolder folder(folder_, 3);
  folder.save(state_, position_of(state_));
  TrainOptions options = small_training();
  options.seed = 7;
  TrainingState other(options, torch::kCPU);
  const RunPosition position = folder.load_newest(other);
  EXPECT_EQ(position.step, 3);
  EXPECT_EQ(position.samples, 6);
  EXPECT_EQ(position.dataset_size, 4);
  EXPECT_EQ(other.steps_done(), 3);
  EXPECT_EQ(other.ema_updates(), 3);
  expect_equal_state(state_, other);
}

TEST_F(CheckpointTest, NewestAndBestAreKept) {
  CheckpointFolder folder(folder_, 2);
  save_steps(folder, state_, {1, 2});
  folder.mark_best({.step = 1, .psnr = 20.5});
  save_steps(folder, state_, {3, 4, 5});
  EXPECT_THAT(folder.steps(), ElementsAre(1, 4, 5));
  folder.mark_best({.step = 5, .psnr = 21});
  EXPECT_THAT(folder.steps(), ElementsAre(4, 5));
  EXPECT_EQ(folder.best()->step, 5);
  EXPECT_DOUBLE_EQ(folder.best()->psnr, 21);
}

TEST_F(CheckpointTest, LeftoversOfAKilledWriterAreRemoved) {
  CheckpointFolder folder(folder_, 2);
  save_steps(folder, state_, {1});
  const fs::path half = folder_ / ".step-00000002.tmp-123";
  fs::copy(folder.path_of(1), half);
  fs::remove(half / "checkpoint.json");
  EXPECT_THAT(folder.steps(), ElementsAre(1));
  folder.remove_leftovers();
  EXPECT_FALSE(fs::exists(half));
  EXPECT_THAT(folder.steps(), ElementsAre(1));
}

TEST_F(CheckpointTest, CheckpointWithoutDescriptionIsIncomplete) {
  CheckpointFolder folder(folder_, 2);
  save_steps(folder, state_, {1, 2});
  fs::remove(folder.path_of(2) / "checkpoint.json");
  EXPECT_THAT(folder.steps(), ElementsAre(1));
  save_steps(folder, state_, {2});
  EXPECT_THAT(folder.steps(), ElementsAre(1, 2));
  fs::remove(folder.path_of(2) / "checkpoint.json");
  folder.remove_leftovers();
  EXPECT_FALSE(fs::exists(folder.path_of(2)));
}

TEST_F(CheckpointTest, SaveReplacesTheSameStep) {
  CheckpointFolder folder(folder_, 2);
  save_steps(folder, state_, {1, 1});
  EXPECT_THAT(folder.steps(), ElementsAre(1));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(CheckpointTest, DamagedCheckpointsAreSkipped) {
  CheckpointFolder folder(folder_, 3);
  save_steps(folder, state_, {1, 2, 3});
  fs::resize_file(folder.path_of(3) / "exp_avg.safetensors", 5000);
  std::ofstream(folder.path_of(2) / "checkpoint.json") << "{}";
  TrainingState other(small_training(), torch::kCPU);
  EXPECT_EQ(folder.load_newest(other).step, 1);
  EXPECT_THAT(thrown<Error>([&] { folder.load(3, other); }), HasSubstr("exp_avg.safetensors"));
}

TEST_F(CheckpointTest, MissingCheckpointIsAnError) {
  CheckpointFolder folder(folder_, 3);
  EXPECT_THAT(thrown<Error>([&] { folder.load_newest(state_); }), HasSubstr("no intact checkpoint"));
  save_steps(folder, state_, {4, 8});
  EXPECT_THAT(thrown<Error>([&] { folder.load(5, state_); }), HasSubstr("available: 4, 8"));
}

TEST_F(CheckpointTest, OtherNetworkOrFlowIsRefused) {
  CheckpointFolder folder(folder_, 3);
  save_steps(folder, state_, {1});
  TrainOptions options = small_training();
  options.network.num_heads = 1;
  TrainingState other_network(options, torch::kCPU);
  EXPECT_THAT(thrown<Error>([&] { folder.load(1, other_network); }), HasSubstr("network.num_heads was 2 and is 1"));
  options = small_training();
  options.flow.noising_step = 100;
  TrainingState other_flow(options, torch::kCPU);
  EXPECT_THAT(thrown<Error>([&] { folder.load(1, other_flow); }), HasSubstr("flow.noising_step was 400 and is 100"));
}

TEST_F(CheckpointTest, OtherRangeOfNoisingStepsIsRefused) {
  CheckpointFolder folder(folder_, 3);
  save_steps(folder, state_, {1});
  TrainOptions options = small_training();
  options.flow.noising_step_max = 500;
  TrainingState ranged(options, torch::kCPU);
  EXPECT_THAT(thrown<Error>([&] { folder.load(1, ranged); }), HasSubstr("flow.noising_step_max was 400 and is 500"));
  options.flow.noising_step_max = 400;
  TrainingState same(options, torch::kCPU);
  EXPECT_EQ(folder.load(1, same).step, 1);
}

TEST_F(CheckpointTest, OtherLearningRateIsAccepted) {
  CheckpointFolder folder(folder_, 3);
  save_steps(folder, state_, {1});
  TrainOptions options = small_training();
  options.optimizer.lr = 1e-4;
  TrainingState other(options, torch::kCPU);
  EXPECT_EQ(folder.load(1, other).step, 1);
}

/// Limits the size of files that this process writes, to simulate a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

TEST_F(CheckpointTest, FullDiskKeepsOlderCheckpoints) {
  CheckpointFolder folder(folder_, 1);
  save_steps(folder, state_, {1});
  {
    const SmallDisk disk(100000);
    state_.set_progress(2, 2);
    EXPECT_THAT(thrown<Error>([&] { folder.save(state_, position_of(state_)); }),
                testing::AllOf(HasSubstr("step 2 was not written"), HasSubstr(".safetensors")));
  }
  EXPECT_THAT(folder.steps(), ElementsAre(1));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  TrainingState other(small_training(), torch::kCPU);
  EXPECT_EQ(folder.load_newest(other).step, 1);
}

TEST_F(CheckpointTest, RemoveAfterDropsLaterCheckpoints) {
  CheckpointFolder folder(folder_, 5);
  save_steps(folder, state_, {1, 2, 3});
  folder.mark_best({.step = 3, .psnr = 20});
  folder.remove_after(2);
  EXPECT_THAT(folder.steps(), ElementsAre(1, 2));
  EXPECT_FALSE(folder.best().has_value());
}

TEST_F(CheckpointTest, EmaFileIsACouplingFile) {
  CheckpointFolder folder(folder_, 1);
  save_steps(folder, state_, {1});
  const SafetensorsFile file(folder.path_of(1) / "ema.safetensors");
  EXPECT_THAT(file.metadata().at("config"), HasSubstr("\"model_channels\":32"));
  EXPECT_EQ(file.metadata().at("noising_step"), "400");
  EXPECT_FALSE(file.metadata().contains("noising_step_max"));
  EXPECT_TRUE(file.contains("out.2.weight"));
  TrainingState other(small_training(), torch::kCPU);
  EXPECT_NO_THROW(other.load_weights(file));
}

TEST_F(CheckpointTest, WeightsFileNamesTheRangeOfNoisingSteps) {
  const fs::path file = temporary_ / "cfm.safetensors";
  write_cfm_weights(file, state_.network(), {.noising_step = 0, .noising_step_max = 350});
  EXPECT_EQ(SafetensorsFile(file).metadata().at("noising_step"), "0");
  EXPECT_EQ(SafetensorsFile(file).metadata().at("noising_step_max"), "350");
}

}  // namespace
}  // namespace fmboost::test
