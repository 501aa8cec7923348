#include "train/trainer.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"
#include "toy_pairs.h"

namespace fmboost::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

/// One run over noise pairs in this process.
class ToyRun {
 public:
  explicit ToyRun(const fs::path& folder, const TrainOptions& options = small_training(),
                  const TrainerOptions& trainer_options = {}, TrainerObserver observer = {},
                  std::shared_ptr<const PairDataset> pairs = std::make_shared<NoisePairs>(5))
      : checkpoints(folder, 10),
        state(options, torch::kCPU),
        pairs_(std::move(pairs)),
        loader(pairs_, {.batch_size = options.batch_size, .seed = options.seed, .num_workers = 1}),
        trainer(state, loader, group, &checkpoints, trainer_options, std::move(observer)) {}

  void start() { trainer.start(std::nullopt, static_cast<std::int64_t>(pairs_->size())); }
  void resume() { trainer.start(checkpoints.load_newest(state), static_cast<std::int64_t>(pairs_->size())); }

  ProcessGroup group;
  CheckpointFolder checkpoints;
  TrainingState state;

 private:
  std::shared_ptr<const PairDataset> pairs_;

 public:
  PairLoader loader;
  Trainer trainer;
};

TrainOptions training_of(std::int64_t steps) {
  TrainOptions options = small_training();
  options.steps = steps;
  return options;
}

std::string content(const fs::path& checkpoint) {
  std::string all;
  for (const char* name :
       {"model.safetensors", "ema.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors", "checkpoint.json"}) {
    all += read_text_file(checkpoint / name);
  }
  return all;
}

TEST(Trainer, ResumedRunGivesTheSameBytes) {
  const TemporaryFolder folder;
  TrainOptions options = training_of(6);
  options.accumulate = 2;
  options.network.dropout = 0.1;
  options.flow.noising_step_max = 600;
  ToyRun whole(folder / "whole", options);
  whole.start();
  whole.trainer.run();
  // As if killed after the third step's checkpoint.
  ToyRun first(folder / "parts", options, {.checkpoint_every = 3},
               {.saved = [](std::int64_t) { throw Interrupted(); }});
  first.start();
  EXPECT_THROW(first.trainer.run(), Interrupted);
  ASSERT_THAT(first.checkpoints.steps(), ElementsAre(3));
  ToyRun second(folder / "parts", options);
  second.resume();
  second.trainer.run();
  EXPECT_EQ(content(folder / "parts/step-00000006"), content(folder / "whole/step-00000006"));
}

TEST(Trainer, LossDecreases) {
  const TemporaryFolder folder;
  TrainOptions options = training_of(60);
  options.flow.noising_step = 0;
  std::vector<TrainReport> reports;
  ToyRun run(folder.path(), options, {.log_every = 20, .checkpoint_every = 0},
             {.report = [&](const TrainReport& report) { reports.push_back(report); }});
  run.start();
  run.trainer.run();
  ASSERT_EQ(reports.size(), 3);
  EXPECT_LT(reports[2].loss, 0.7 * reports[0].loss);
}

TEST(Trainer, ReportsProgress) {
  const TemporaryFolder folder;
  std::vector<TrainReport> reports;
  ToyRun run(folder.path(), training_of(5), {.log_every = 2, .checkpoint_every = 0},
             {.report = [&](const TrainReport& report) { reports.push_back(report); }});
  run.start();
  run.trainer.run();
  ASSERT_EQ(reports.size(), 3);
  EXPECT_EQ(reports[0].step, 2);
  EXPECT_EQ(reports[2].step, 5);
  EXPECT_EQ(reports[2].steps, 5);
  EXPECT_EQ(reports[2].seconds_left, 0);
  for (const auto& report : reports) {
    EXPECT_GT(report.loss, 0.0);
    EXPECT_GT(report.gradient_norm, 0.0);
    EXPECT_DOUBLE_EQ(report.learning_rate, 1e-3);
    EXPECT_GT(report.images_per_second, 0.0);
    EXPECT_GE(report.data_wait, 0.0);
    EXPECT_LE(report.data_wait, 1.0);
    EXPECT_GT(report.memory, 0);
  }
}

TEST(Trainer, SavesAndValidatesPeriodicallyAndAtTheEnd) {
  const TemporaryFolder folder;
  std::vector<std::int64_t> validated;
  const std::vector<double> scores{10, 30, 20, 25};
  ToyRun run(folder.path(), training_of(7), {.validate_every = 2, .checkpoint_every = 3},
             {.validate = [&](std::int64_t step) {
               validated.push_back(step);
               return std::optional(scores[validated.size() - 1]);
             }});
  run.start();
  run.trainer.run();
  EXPECT_THAT(validated, ElementsAre(2, 4, 6, 7));
  EXPECT_THAT(run.checkpoints.steps(), ElementsAre(2, 3, 4, 6, 7));
  EXPECT_EQ(run.checkpoints.best()->step, 4);
  EXPECT_DOUBLE_EQ(run.checkpoints.best()->psnr, 30);
}

/// The latent of the pair with index 3 is NaN.
class BrokenPairs final : public PairDataset {
 public:
  std::size_t size() const override { return 5; }
  LatentPair get(std::size_t index, std::uint64_t seed) const override {
    LatentPair pair = NoisePairs(5).get(index, seed);
    if (index == 3) {
      pair.latent = torch::full_like(pair.latent, std::numeric_limits<float>::quiet_NaN());
    }
    return pair;
  }
};

TEST(Trainer, NonFiniteLossStopsWithADiagnosisAndIntactWeights) {
  const TemporaryFolder folder;
  ToyRun run(folder.path(), training_of(20), {.checkpoint_every = 1}, {}, std::make_shared<BrokenPairs>());
  run.start();
  std::string message;
  try {
    run.trainer.run();
  } catch (const Error& error) {
    message = error.what();
    EXPECT_EQ(error.code(), ExitCode::runtime);
  }
  const std::int64_t step = run.state.steps_done();
  EXPECT_THAT(message, HasSubstr("not finite at step " + std::to_string(step + 1) + ":"));
  EXPECT_THAT(message, HasSubstr("learning rate 0.001"));
  EXPECT_THAT(message, HasSubstr("gradient norm"));
  EXPECT_THAT(message, HasSubstr("pair-3"));
  if (step > 0) {
    EXPECT_THAT(message, HasSubstr(run.checkpoints.path_of(step).string()));
  }
  for (const auto& parameter : run.state.parameters()) {
    EXPECT_TRUE(parameter.isfinite().all().item<bool>());
  }
}

TEST(Trainer, FinishedRunDoesNothing) {
  const TemporaryFolder folder;
  ToyRun run(folder.path(), training_of(2));
  run.start();
  run.trainer.run();
  const std::string before = content(folder / "step-00000002");
  ToyRun again(folder.path(), training_of(2));
  again.resume();
  again.trainer.run();
  EXPECT_EQ(again.state.steps_done(), 2);
  EXPECT_EQ(content(folder / "step-00000002"), before);
}

TEST(TrainReport, TextIsOneLine) {
  const TrainReport report{.step = 1250,
                           .steps = 100000,
                           .loss = 0.12345,
                           .gradient_norm = 0.5678,
                           .learning_rate = 3e-5,
                           .images_per_second = 12.34,
                           .data_wait = 0.0042,
                           .memory = std::int64_t{3} << 30,
                           .seconds_left = 11525};
  EXPECT_EQ(to_text(report),
            "step 1250/100000, loss 0.12345, gradient 0.568, lr 3e-05, 12.3 images/s, data wait 0.4 %, memory 3.0 GiB, "
            "3:12:05 left");
}

}  // namespace
}  // namespace fmboost::test
