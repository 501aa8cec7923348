#include "data/pair_loader.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

// The latent of sample i numbers its latent pixels from 10000 i in every channel. A context pixel covers `factor`
// squared of them and holds the first one's number, so that a crop reveals its position.
class CountingDataset final : public PairDataset {
 public:
  CountingDataset(std::size_t count, std::int64_t side, std::int64_t factor = 1)
      : count_(count), side_(side), factor_(factor) {}

  std::size_t size() const override { return count_; }
  LatentPair get(std::size_t index, std::uint64_t seed) const override {
    if (index == broken) {
      throw Error("sample " + std::to_string(index) + " is broken");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(seed % 500));  // so that threads overtake each other
    const std::int64_t side = side_ + (index == larger ? 2 * factor_ : 0);
    const torch::Tensor positions =
        torch::arange(side * side).reshape({1, side, side}).expand({2, side, side}).to(torch::kFloat32) +
        10000.0 * static_cast<double>(index);
    const torch::Tensor context = positions.slice(1, 0, side, factor_).slice(2, 0, side, factor_);
    return {std::to_string(index), positions, context.contiguous()};
  }

  std::size_t broken = ~std::size_t{0};
  std::size_t larger = ~std::size_t{0};

 private:
  std::size_t count_;
  std::int64_t side_;
  std::int64_t factor_;
};

std::shared_ptr<CountingDataset> counting(std::size_t count, std::int64_t side = 8, std::int64_t factor = 1) {
  return std::make_shared<CountingDataset>(count, side, factor);
}

PairLoaderOptions with(std::int64_t batch_size, std::vector<std::int64_t> crops = {}, int num_workers = 2) {
  PairLoaderOptions options;
  options.batch_size = batch_size;
  options.crop_sizes = std::move(crops);
  options.num_workers = num_workers;
  return options;
}

std::vector<LatentBatch> take(PairLoader& loader, int count) {
  std::vector<LatentBatch> batches;
  for (int i = 0; i < count; ++i) {
    batches.push_back(loader.next());
  }
  return batches;
}

void expect_same(const std::vector<LatentBatch>& a, const std::vector<LatentBatch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].keys, b[i].keys) << i;
    EXPECT_EQ(a[i].numbers, b[i].numbers) << i;
    EXPECT_TRUE(torch::equal(a[i].latent, b[i].latent)) << i;
    EXPECT_TRUE(torch::equal(a[i].context, b[i].context)) << i;
  }
}

TEST(EpochOrder, IsAPermutationThatDependsOnSeedAndEpoch) {
  const auto order = epoch_order(1000, 1, 0);
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), 1000U);
  EXPECT_EQ(*std::max_element(order.begin(), order.end()), 999);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order, epoch_order(1000, 1, 0));
  EXPECT_NE(order, epoch_order(1000, 1, 1));
  EXPECT_NE(order, epoch_order(1000, 2, 0));
}

TEST(EpochOrder, EverySampleIsEquallyLikelyAtEveryPosition) {
  std::vector<int> first(4, 0);
  for (std::int64_t epoch = 0; epoch < 4000; ++epoch) {
    ++first[static_cast<std::size_t>(epoch_order(4, 9, epoch).front())];
  }
  EXPECT_GT(*std::min_element(first.begin(), first.end()), 900);
  EXPECT_LT(*std::max_element(first.begin(), first.end()), 1100);
}

TEST(EpochOrder, IsTheSameOnEveryMachine) {
  EXPECT_THAT(epoch_order(8, 42, 3), testing::ElementsAre(3, 6, 1, 4, 7, 2, 0, 5));
}

TEST(PairLoader, EverySampleIsTakenOncePerEpoch) {
  PairLoader loader(counting(10), with(4));
  std::vector<std::string> keys;
  for (const auto& batch : take(loader, 5)) {
    EXPECT_EQ(batch.latent.sizes(), (at::IntArrayRef{4, 2, 8, 8}));
    keys.insert(keys.end(), batch.keys.begin(), batch.keys.end());
  }
  EXPECT_EQ(std::set(keys.begin(), keys.begin() + 10).size(), 10U);
  EXPECT_EQ(std::set(keys.begin() + 10, keys.end()).size(), 10U);
  EXPECT_FALSE(std::equal(keys.begin(), keys.begin() + 10, keys.begin() + 10));
  EXPECT_EQ(loader.samples_drawn(), 20);
}

TEST(PairLoader, NumberOfThreadsDoesNotChangeTheBatches) {
  PairLoader alone(counting(13), with(4, {3, 5, 8}, 0));
  const auto expected = take(alone, 20);
  for (const int num_workers : {1, 2, 5}) {
    for (const int prefetch : {1, 7}) {
      PairLoaderOptions options = with(4, {3, 5, 8}, num_workers);
      options.prefetch = prefetch;
      PairLoader loader(counting(13), options);
      expect_same(take(loader, 20), expected);
    }
  }
}

TEST(PairLoader, BatchesChangeWithTheSeed) {
  PairLoaderOptions options = with(4);
  PairLoader first(counting(100), options);
  options.seed = 43;
  PairLoader second(counting(100), options);
  EXPECT_NE(first.next().keys, second.next().keys);
}

TEST(PairLoader, SeekContinuesFromAnyPosition) {
  PairLoader whole(counting(7), with(3, {4}));
  const auto expected = take(whole, 12);
  for (const std::size_t done : {0U, 1U, 5U, 11U}) {
    PairLoader resumed(counting(7), with(3, {4}));
    resumed.next();
    resumed.seek(static_cast<std::int64_t>(done) * 3);
    EXPECT_EQ(resumed.samples_drawn(), static_cast<std::int64_t>(done) * 3);
    expect_same(take(resumed, static_cast<int>(12 - done)),
                {expected.begin() + static_cast<std::ptrdiff_t>(done), expected.end()});
    EXPECT_EQ(resumed.samples_drawn(), whole.samples_drawn());
  }
}

TEST(PairLoader, ProcessesShareTheOrder) {
  PairLoader whole(counting(11), with(6, {3, 5}));
  const auto expected = take(whole, 8);
  std::vector<std::vector<LatentBatch>> parts;
  for (int rank = 0; rank < 2; ++rank) {
    PairLoaderOptions options = with(3, {3, 5});
    options.rank = rank;
    options.world_size = 2;
    PairLoader loader(counting(11), options);
    parts.push_back(take(loader, 8));
    EXPECT_EQ(loader.samples_drawn(), whole.samples_drawn());
  }
  for (std::size_t step = 0; step < 8; ++step) {
    for (std::int64_t i = 0; i < 6; ++i) {
      const LatentBatch& part = parts[static_cast<std::size_t>(i % 2)][step];
      const auto place = static_cast<std::size_t>(i / 2);
      EXPECT_EQ(part.keys[place], expected[step].keys[static_cast<std::size_t>(i)]);
      EXPECT_EQ(part.numbers[place], expected[step].numbers[static_cast<std::size_t>(i)]);
      EXPECT_TRUE(torch::equal(part.latent[i / 2], expected[step].latent[i]));
    }
  }
}

TEST(PairLoader, SeekSupportsAnotherNumberOfProcesses) {
  PairLoader whole(counting(11), with(6));
  take(whole, 3);
  PairLoaderOptions options = with(2);
  options.rank = 1;
  options.world_size = 3;
  PairLoader part(counting(11), options);
  part.seek(whole.samples_drawn());
  const LatentBatch expected = whole.next();
  const LatentBatch found = part.next();
  EXPECT_THAT(found.keys, testing::ElementsAre(expected.keys[1], expected.keys[4]));
  EXPECT_THAT(found.numbers, testing::ElementsAre(19, 22));
}

TEST(PairLoader, LatentAndContextAreCroppedAlike) {
  PairLoader loader(counting(5), with(6, {3}));
  std::set<float> corners;
  for (const auto& batch : take(loader, 30)) {
    ASSERT_EQ(batch.latent.sizes(), (at::IntArrayRef{6, 2, 3, 3}));
    EXPECT_TRUE(torch::equal(batch.latent, batch.context));
    for (std::int64_t i = 0; i < 6; ++i) {
      const torch::Tensor positions = batch.latent[i][0] - batch.latent[i][0][0][0];
      EXPECT_TRUE(torch::equal(positions, (torch::arange(3).unsqueeze(1) * 8 + torch::arange(3)).to(torch::kFloat32)));
      corners.insert(std::fmod(batch.latent[i][0][0][0].item<float>(), 10000.0F));
    }
  }
  EXPECT_GT(corners.size(), 30U);  // of 36 places
  EXPECT_TRUE(corners.contains(0.0F));
  EXPECT_TRUE(corners.contains(5 * 8 + 5.0F));
}

TEST(PairLoader, SmallerContextsAreCroppedAtTheSamePosition) {
  PairLoader loader(counting(5, 12, 2), with(4, {4}));
  std::set<float> corners;
  for (const auto& batch : take(loader, 20)) {
    ASSERT_EQ(batch.latent.sizes(), (at::IntArrayRef{4, 2, 4, 4}));
    ASSERT_EQ(batch.context.sizes(), (at::IntArrayRef{4, 2, 2, 2}));
    EXPECT_TRUE(torch::equal(batch.context, batch.latent.slice(2, 0, 4, 2).slice(3, 0, 4, 2)));
    corners.insert(std::fmod(batch.latent[0][0][0][0].item<float>(), 10000.0F));
  }
  EXPECT_GT(corners.size(), 8U);
}

TEST(PairLoader, EachBatchHasOneCropSize) {
  PairLoader loader(counting(5), with(2, {2, 4, 6}));
  std::set<std::int64_t> sizes;
  for (const auto& batch : take(loader, 40)) {
    sizes.insert(batch.latent.size(2));
  }
  EXPECT_THAT(sizes, testing::ElementsAre(2, 4, 6));
}

TEST(PairLoader, SamplesOfSeveralSizesAreCropped) {
  const auto dataset = counting(4);
  dataset->larger = 2;
  PairLoader loader(dataset, with(4, {5}));
  EXPECT_EQ(loader.next().latent.sizes(), (at::IntArrayRef{4, 2, 5, 5}));
  PairLoader uncut(dataset, with(4));
  EXPECT_THAT(thrown<Error>([&] { uncut.next(); }),
              AllOf(HasSubstr("must have the same size"), HasSubstr("that of '2' is"), HasSubstr("[2, 10, 10]"),
                    HasSubstr("`crop_size`")));
}

TEST(PairLoader, SampleTooSmallForTheCropIsNamed) {
  PairLoader loader(counting(1), with(1, {9}));
  EXPECT_THAT(thrown<Error>([&] { loader.next(); }), AllOf(HasSubstr("'0'"), HasSubstr("`crop_size` 9")));
  PairLoader odd(counting(1, 12, 2), with(1, {3}));
  EXPECT_THAT(thrown<Error>([&] { odd.next(); }), HasSubstr("multiple of the factor"));
}

TEST(PairLoader, UnreadableSampleThrowsInItsTurn) {
  for (const int num_workers : {0, 3}) {
    const auto dataset = counting(6);
    const PairLoaderOptions options = with(2, {}, num_workers);
    const auto order = epoch_order(6, options.seed, 0);
    const auto key_at = [&](std::size_t place) { return std::to_string(order[place]); };
    dataset->broken = static_cast<std::size_t>(order[4]);
    PairLoader loader(dataset, options);
    EXPECT_EQ(loader.next().keys.front(), key_at(0));
    EXPECT_EQ(loader.next().keys.front(), key_at(2));
    for (int attempt = 0; attempt < 2; ++attempt) {
      EXPECT_THAT(thrown<Error>([&] { loader.next(); }), HasSubstr("sample " + key_at(4) + " is broken"));
    }
    EXPECT_EQ(loader.samples_drawn(), 4);
    loader.seek(0);
    EXPECT_EQ(loader.next().keys.front(), key_at(0));
  }
}

TEST(PairLoader, WaitingTimeIsMeasured) {
  PairLoader loader(counting(4), with(4, {}, 0));
  EXPECT_EQ(loader.seconds_waited(), 0);
  loader.next();
  const double once = loader.seconds_waited();
  EXPECT_GT(once, 0);
  loader.next();
  EXPECT_GT(loader.seconds_waited(), once);
}

TEST(PairLoader, ThreadSettingsOfOthersAreUnchanged) {
  const int before = at::get_num_threads();
  PairLoader loader(counting(4), with(4, {}, 3));
  loader.next();
  EXPECT_EQ(at::get_num_threads(), before);
  int in_new_thread = 0;
  std::thread([&] { in_new_thread = at::get_num_threads(); }).join();
  EXPECT_EQ(in_new_thread, before);
}

TEST(PairLoader, InvalidOptionsAreRefused) {
  const auto message = [](auto change) {
    PairLoaderOptions options;
    change(options);
    return thrown<UsageError>([&] { PairLoader(counting(1), options); });
  };
  EXPECT_THAT(message([](auto& o) { o.batch_size = 0; }), HasSubstr("`batch_size`"));
  EXPECT_THAT(message([](auto& o) { o.crop_sizes = {4, 0}; }), HasSubstr("`crop_size`"));
  EXPECT_THAT(message([](auto& o) { o.num_workers = -1; }), HasSubstr("`num_workers`"));
  EXPECT_THAT(message([](auto& o) { o.prefetch = 0; }), HasSubstr("`prefetch`"));
  EXPECT_THAT(message([](auto& o) { o.rank = 2, o.world_size = 2; }), HasSubstr("rank 2"));
  EXPECT_THAT(thrown<UsageError>([] { PairLoader(counting(0), {}); }), HasSubstr("no samples"));
}

}  // namespace
}  // namespace fmboost
