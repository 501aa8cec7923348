#include "fmboost/eval/fid.h"

#include <gmock/gmock.h>
#include <limits>
#include <new>
#include <torch/script.h>

#include "fmboost/core/error.h"

#include "support/compare.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

torch::Tensor random_bytes_image(std::int64_t height, std::int64_t width, std::int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed));
  return at::randint(0, 256, {3, height, width}, generator, torch::kUInt8);
}

// An image's channel means.
torch::Tensor channel_means(const torch::Tensor& images) {
  return images.to(torch::kFloat32).mean(std::vector<std::int64_t>{2, 3}) / 255;
}

std::filesystem::path save_program(const test::TemporaryFolder& folder, const std::string& code) {
  torch::jit::Module module("Features");
  module.define(code);
  module.save((folder / "program.pt").string());
  return folder / "program.pt";
}

TEST(ImageSet, EveryImageCountsOnceForAnySizesAndBatch) {
  std::vector<torch::Tensor> images;
  for (const auto& [height, width] : {std::pair{8, 8}, {8, 8}, {8, 8}, {6, 9}, {8, 8}}) {
    images.push_back(random_bytes_image(height, width, static_cast<std::int64_t>(images.size())));
  }
  std::vector<std::int64_t> batches;
  const auto features = [&](const torch::Tensor& batch) {
    batches.push_back(batch.size(0));
    return channel_means(batch);
  };
  ImageSet set(features, {.crops = 0, .batch_size = 2});
  torch::Tensor expected = torch::zeros(3);
  for (std::size_t i = 0; i < images.size(); ++i) {
    set.add(images[i], "image " + std::to_string(i));
    expected += channel_means(images[i].unsqueeze(0))[0] / 5;
  }
  set.finish();
  EXPECT_EQ(set.whole().count(), 5);
  EXPECT_EQ(set.crops().count(), 0);
  EXPECT_TRUE(test::is_close(set.whole().mean(), expected, 1e-6));
  EXPECT_THAT(batches, ElementsAre(2, 1, 1, 1));
}

TEST(ImageSet, CropsAreSeededAndInsideTheImage) {
  const torch::Tensor image = random_bytes_image(30, 40, 1);
  const auto crops_of = [&](const std::string& name, std::uint64_t seed) {
    std::vector<torch::Tensor> crops;
    const auto features = [&](const torch::Tensor& batch) {
      for (const auto& one : batch.unbind()) {
        crops.push_back(one.clone());
      }
      return channel_means(batch);
    };
    ImageSet set(features, {.crops = 6, .crop_size = 16, .seed = seed});
    set.add(image, name);
    set.finish();
    EXPECT_EQ(set.crops().count(), 6);
    crops.erase(crops.begin());  // the image as a whole
    return at::stack(crops);
  };
  const torch::Tensor crops = crops_of("a", 1);
  EXPECT_EQ(crops.sizes(), (std::vector<std::int64_t>{6, 3, 16, 16}));
  for (const auto& crop : crops.unbind()) {
    const torch::Tensor windows = image.unfold(1, 16, 1).unfold(2, 16, 1);  // (3, rows, columns, 16, 16)
    const torch::Tensor same = windows.eq(crop.view({3, 1, 1, 16, 16})).all(-1).all(-1).all(0);
    EXPECT_EQ(same.sum().item<std::int64_t>(), 1);
  }
  EXPECT_TRUE(crops.equal(crops_of("a", 1)));
  EXPECT_FALSE(crops.equal(crops_of("a", 2)));
  EXPECT_FALSE(crops.equal(crops_of("b", 1)));
}

TEST(ImageSet, ImagesSmallerThanACropAreCounted) {
  ImageSet set(channel_means, {.crops = 2, .crop_size = 16});
  set.add(random_bytes_image(16, 16, 1), "fits");
  set.add(random_bytes_image(15, 40, 2), "too low");
  set.add(random_bytes_image(40, 15, 3), "too narrow");
  set.finish();
  EXPECT_EQ(set.too_small(), 2);
  EXPECT_EQ(set.crops().count(), 2);
  EXPECT_EQ(set.whole().count(), 3);
}

TEST(ImageSet, BatchShrinksWhenOutOfMemory) {
  std::vector<std::int64_t> batches;
  const auto features = [&](const torch::Tensor& batch) {
    if (batch.size(0) > 2) {
      throw std::bad_alloc();
    }
    batches.push_back(batch.size(0));
    return channel_means(batch);
  };
  ImageSet set(features, {.crops = 0, .batch_size = 5});
  for (int i = 0; i < 5; ++i) {
    set.add(random_bytes_image(8, 8, i), "a");
  }
  set.finish();
  EXPECT_EQ(set.whole().count(), 5);
  EXPECT_THAT(batches, ElementsAre(2, 1, 2));
}

TEST(ImageSet, ImageWithNonFiniteFeaturesIsNamed) {
  const auto features = [](const torch::Tensor& batch) {
    torch::Tensor result = channel_means(batch);
    result[1][2] = std::numeric_limits<float>::quiet_NaN();
    return result;
  };
  ImageSet set(features, {.crops = 0, .batch_size = 2});
  set.add(random_bytes_image(8, 8, 1), "first");
  EXPECT_THAT(test::thrown<ModelError>([&] { set.add(random_bytes_image(8, 8, 2), "second"); }), HasSubstr("'second'"));
}

ImageSet filled_set(const FidOptions& options, std::int64_t first_seed, std::int64_t side) {
  ImageSet set(channel_means, options);
  for (std::int64_t i = 0; i < 8; ++i) {
    set.add(random_bytes_image(side, side, first_seed + i), std::to_string(i));
  }
  set.finish();
  return set;
}

TEST(CompareSets, PatchFidIsMissingIfAnImageIsTooSmall) {
  const FidOptions options{.crops = 3, .crop_size = 12};
  const ImageSet a = filled_set(options, 0, 20);
  const FidResult same = compare_sets(a, a, options);
  EXPECT_LT(same.fid, 1e-12);
  EXPECT_LT(same.patch_fid.value(), 1e-12);
  const FidResult other = compare_sets(a, filled_set(options, 100, 20), options);
  EXPECT_GT(other.fid, 1e-6);
  EXPECT_LT(other.fid, 1e-2);
  EXPECT_GT(other.patch_fid.value(), 1e-6);
  EXPECT_FALSE(compare_sets(a, filled_set(options, 100, 11), options).patch_fid.has_value());
}

TEST(FidOptions, ValueOutOfRangeIsNamed) {
  EXPECT_THAT(test::thrown<UsageError>([] { FidOptions{.crops = -1}.check(); }), HasSubstr("`crops`"));
  EXPECT_THAT(test::thrown<UsageError>([] { FidOptions{.crop_size = 0}.check(); }), HasSubstr("at least 1 pixel"));
  EXPECT_THAT(test::thrown<UsageError>([] { FidOptions{.batch_size = 0}.check(); }), HasSubstr("`batch_size`"));
  EXPECT_NO_THROW(FidOptions{}.check());
}

TEST(FeatureProgram, RunsOnImagesOfAnySize) {
  const test::TemporaryFolder folder;
  const auto program = load_feature_program(save_program(folder, R"(
    def forward(self, x):
        return x.to(6).mean([2, 3]) / 255
  )"),
                                            torch::kCPU);
  const torch::Tensor images = at::stack({random_bytes_image(9, 7, 1), random_bytes_image(9, 7, 2)});
  EXPECT_TRUE(test::is_close(program(images), channel_means(images), 1e-6));
}

TEST(FeatureProgram, ProgramWithoutFeaturesIsRefused) {
  const test::TemporaryFolder folder;
  const auto refusal = [&](const std::string& code) {
    return test::thrown<ModelError>([&] { load_feature_program(save_program(folder, code), torch::kCPU); });
  };
  EXPECT_THAT(refusal("def forward(self, x):\n    return x.to(6)\n"), HasSubstr("must return (images, features)"));
  EXPECT_THAT(refusal("def forward(self, x, y):\n    return x.to(6).mean([2, 3])\n"), HasSubstr("must take 1"));
  EXPECT_THAT(refusal("def forward(self, x):\n    return torch.rand([2, 3])\n"), HasSubstr("aten::rand"));
}

}  // namespace
}  // namespace fmboost
