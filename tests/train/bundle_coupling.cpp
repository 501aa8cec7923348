#include "model/bundle_coupling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"
#include "fmboost/model/bundle.h"

#include "nn/cfm/cfm_unet.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "train/checkpoint.h"
#include "train/toy_pairs.h"

namespace fmboost::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A copy of what upscales photographs in the default model, whose latents have 16 channels, with its couplings
/// of factors 2 and 4 for all images, and a small coupling's file for it.
class BundleCouplingTest : public testing::Test {
 protected:
  using Couplings = std::vector<std::pair<std::int64_t, ImageSource>>;

  BundleCouplingTest() {
    fs::copy(upscaler_folder(FMBOOST_DEFAULT_MODEL), bundle_, fs::copy_options::recursive);
    keep_couplings_of_photographs();
    coupling_.network = small_training().network;
    coupling_.network.in_channels = 32;
    coupling_.network.out_channels = 16;
    coupling_.factor = 8;
    coupling_.noising_step = 250;
    write_weights(weights_);
  }

  void keep_couplings_of_photographs() const {
    auto manifest = nlohmann::ordered_json::parse(read_text_file(bundle_ / "bundle.json"));
    auto kept = nlohmann::ordered_json::array();
    for (auto& entry : manifest["couplings"]) {
      if (entry.value("applies_to", "any") != "generated") {
        entry.erase("applies_to");
        kept.push_back(entry);
      }
    }
    manifest["couplings"] = kept;
    write_file_atomically(bundle_ / "bundle.json", as_bytes(manifest.dump()));
  }

  /// Factors and images of the bundle's couplings, in their order.
  Couplings couplings() const {
    Couplings result;
    for (const auto& entry : Bundle(bundle_).manifest().couplings) {
      result.emplace_back(entry.factor, entry.applies_to);
    }
    return result;
  }

  void write_weights(const fs::path& file) const {
    write_cfm_weights(file, CfmUnetImpl(coupling_.network), {.noising_step = coupling_.noising_step});
  }

  TemporaryFolder temporary_;
  fs::path bundle_ = temporary_ / "bundle";
  fs::path weights_ = temporary_ / "weights.safetensors";
  CouplingEntry coupling_;
};

TEST_F(BundleCouplingTest, AddedEntryIsLoadedByTheBundle) {
  const Bundle before(bundle_);
  EXPECT_EQ(add_coupling(bundle_, weights_, coupling_, false), "cfm-8x.safetensors");
  const Bundle after(bundle_);
  ASSERT_EQ(after.manifest().couplings.size(), before.manifest().couplings.size() + 1);
  const CouplingEntry& added = after.manifest().couplings.back();
  EXPECT_EQ(added.factor, 8);
  EXPECT_EQ(added.noising_step, 250);
  EXPECT_EQ(added.weights.sha256, sha256_file(weights_));
  EXPECT_NO_THROW(after.verify());
  EXPECT_EQ(after.manifest().name, before.manifest().name);
}

TEST_F(BundleCouplingTest, RangeOfNoisingStepsIsWritten) {
  coupling_.noising_step = 0;
  coupling_.noising_step_max = 300;
  coupling_.generated_fidelity = 0.25;
  add_coupling(bundle_, weights_, coupling_, false);
  EXPECT_EQ(Bundle(bundle_).manifest().couplings.back().noising_step_max, 300);
  EXPECT_EQ(Bundle(bundle_).manifest().couplings.back().generated_fidelity, 0.25);
}

TEST_F(BundleCouplingTest, FixedNoisingStepWritesNoRange) {
  add_coupling(bundle_, weights_, coupling_, false);
  EXPECT_FALSE(Bundle(bundle_).manifest().couplings.back().noising_step_max.has_value());
  EXPECT_FALSE(Bundle(bundle_).manifest().couplings.back().generated_fidelity.has_value());
}

TEST_F(BundleCouplingTest, OrderOfOtherKeysIsKept) {
  add_coupling(bundle_, weights_, coupling_, false);
  const std::string text = read_text_file(bundle_ / "bundle.json");
  EXPECT_LT(text.find("\"format\""), text.find("\"version\""));
  EXPECT_LT(text.find("\"version\""), text.find("\"name\""));
  EXPECT_LT(text.find("\"name\""), text.find("\"autoencoder\""));
}

TEST_F(BundleCouplingTest, FactorIsReplacedOnlyOnRequest) {
  coupling_.factor = 2;
  EXPECT_THAT(thrown<Error>([&] { add_coupling(bundle_, weights_, coupling_, false); }), HasSubstr("force"));
  add_coupling(bundle_, weights_, coupling_, true);
  const Bundle after(bundle_);
  EXPECT_EQ(after.manifest().couplings.size(), 2);
  EXPECT_EQ(after.manifest().couplings.back().factor, 2);
  EXPECT_TRUE(fs::exists(bundle_ / after.manifest().couplings.front().weights.file));  // the 4x entry still names it
  EXPECT_NO_THROW(after.verify());
}

TEST_F(BundleCouplingTest, CouplingForGeneratedImagesPrecedesTheOneForAny) {
  coupling_.factor = 4;
  coupling_.applies_to = ImageSource::generated;
  add_coupling(bundle_, weights_, coupling_, false);
  EXPECT_EQ(couplings(), (Couplings{{2, ImageSource::any}, {4, ImageSource::generated}, {4, ImageSource::any}}));
  EXPECT_THAT(thrown<Error>([&] { add_coupling(bundle_, weights_, coupling_, false); }),
              HasSubstr("for generated images"));
  add_coupling(bundle_, weights_, coupling_, true);
  EXPECT_EQ(couplings(), (Couplings{{2, ImageSource::any}, {4, ImageSource::generated}, {4, ImageSource::any}}));
}

TEST_F(BundleCouplingTest, CouplingForAnyImageReplacesAllOfItsFactor) {
  coupling_.factor = 4;
  coupling_.applies_to = ImageSource::generated;
  add_coupling(bundle_, weights_, coupling_, false);
  coupling_.applies_to = ImageSource::any;
  EXPECT_THAT(thrown<Error>([&] { check_coupling_fits(bundle_, coupling_, false); }), HasSubstr("force"));
  add_coupling(bundle_, weights_, coupling_, true);
  EXPECT_EQ(couplings(), (Couplings{{2, ImageSource::any}, {4, ImageSource::any}}));
}

TEST_F(BundleCouplingTest, ReplacedFileIsRemoved) {
  add_coupling(bundle_, weights_, coupling_, false);
  write_weights(temporary_ / "better.safetensors");
  const fs::path second = add_coupling(bundle_, temporary_ / "better.safetensors", coupling_, true);
  EXPECT_EQ(second, "cfm-8x-" + sha256_file(temporary_ / "better.safetensors").substr(0, 8) + ".safetensors");
  EXPECT_FALSE(fs::exists(bundle_ / "cfm-8x.safetensors"));
  EXPECT_NO_THROW(Bundle(bundle_).verify());
}

TEST_F(BundleCouplingTest, OneFileServesTwoFactors) {
  const fs::path first = add_coupling(bundle_, weights_, coupling_, false);
  coupling_.factor = 16;
  EXPECT_EQ(add_coupling(bundle_, weights_, coupling_, false), first);
  EXPECT_EQ(Bundle(bundle_).manifest().couplings.size(), 4);
  EXPECT_NO_THROW(Bundle(bundle_).verify());
}

TEST_F(BundleCouplingTest, OtherLatentsAreRefused) {
  coupling_.network = small_training().network;
  EXPECT_THAT(thrown<Error>([&] { check_coupling_fits(bundle_, coupling_, false); }), HasSubstr("other latents"));
}

TEST_F(BundleCouplingTest, FolderWithoutABundleIsRefused) {
  EXPECT_THROW(check_coupling_fits(temporary_ / "nothing", coupling_, false), ModelError);
}

}  // namespace
}  // namespace fmboost::test
