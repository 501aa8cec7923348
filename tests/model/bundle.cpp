#include "fmboost/model/bundle.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "support/compare.h"
#include "support/thrown.h"
#include "support/tiny_bundle.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::thrown;
using test::TinyBundle;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

// Flips one bit in the middle of the file.
void damage(const fs::path& file) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
  stream.seekg(middle);
  const auto byte = static_cast<char>(stream.get() ^ 1);
  stream.seekp(middle);
  stream.put(byte);
}

TEST(Bundle, MissingFolderOrManifestIsNamed) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(thrown<ModelError>([&] { Bundle(folder / "absent"); }), HasSubstr("there is no model bundle at"));
  EXPECT_THAT(thrown<ModelError>([&] { Bundle(folder.path()); }), HasSubstr("it has no bundle.json"));
  std::ofstream(folder / "model_index.json") << "{}";
  EXPECT_THAT(thrown<ModelError>([&] { Bundle(folder.path()); }),
              HasSubstr("`fmboost import '" + folder.path().string() + "' -o BUNDLE`"));
  EXPECT_THAT(thrown<ModelError>([&] { Bundle(folder / std::string(300, 'x')); }), HasSubstr("no model bundle at"));
  fs::create_directory(folder / "bundle.json");
  EXPECT_THAT(thrown<ModelError>([&] { Bundle(folder.path()); }), HasSubstr("it is a folder"));
}

TEST(Bundle, HasTheHashOfItsManifest) {
  const TinyBundle files;
  EXPECT_EQ(files.open().hash(), sha256_file(files.folder() / "bundle.json"));
  EXPECT_EQ(files.open().manifest().name, "tiny");
}

TEST(Bundle, LoadsEveryComponent) {
  const TinyBundle files;
  const Bundle opened = files.open();
  EXPECT_EQ(opened.load_tokenizer()->encode("red sky").ids, (std::vector<std::int64_t>{2, 6, 0, 0}));
  const torch::Tensor text = opened.load_text_encoder({})->encode(torch::tensor({{2, 6, 0, 0}}, torch::kInt64));
  EXPECT_EQ(text.sizes(), at::IntArrayRef({1, 4, 3}));
  EXPECT_FLOAT_EQ(text[0][1][0].item<float>(), 0.75F);
  EXPECT_THAT(thrown<ModelError>([&] {
                opened.load_text_encoder({})->encode(torch::zeros({1, 4}, torch::kInt64), 1);
              }),
              HasSubstr("its layer cannot be chosen with `clip_skip`"));
  const torch::Tensor x = torch::ones({2, 4, 4, 6});
  const torch::Tensor prediction = opened.load_denoiser({})->predict(x, 800.0, torch::full({2, 4, 3}, 0.5F), {});
  EXPECT_TRUE(test::is_close(prediction, torch::full_like(x, 0.25F + 0.5F + 0.1F), 1e-6));
  const auto autoencoder = opened.load_autoencoder({});
  const torch::Tensor pixels = torch::full({1, 3, 8, 12}, 0.75F);
  // (0.75 - shift 0.25) * scale 0.5
  EXPECT_TRUE(test::is_close(autoencoder->encode(pixels), torch::full({1, 4, 2, 3}, 0.25F), 1e-6));
  EXPECT_TRUE(test::is_close(autoencoder->decode(torch::full({1, 4, 2, 3}, 0.25F)), pixels, 1e-6));
  EXPECT_GT(autoencoder->bytes_per_pixel(), 0);
  const auto network = opened.load_velocity(opened.manifest().couplings[0], {});
  EXPECT_EQ(network->velocity(x, 0.5, x).sizes(), x.sizes());
}

TEST(Bundle, MissingComponentIsNamed) {
  TinyBundle files;
  for (const char* part : {"tokenizer", "text_encoder", "denoiser"}) {
    files.manifest.erase(part);
  }
  files.write();
  const Bundle bundle = files.open();
  EXPECT_THAT(thrown<ModelError>([&] { bundle.load_denoiser({}); }),
              AllOf(HasSubstr(files.folder().string()), HasSubstr("has no denoiser: it can only upscale")));
  EXPECT_THAT(thrown<ModelError>([&] { bundle.load_text_encoder({}); }), HasSubstr("has no text encoder"));
  EXPECT_THAT(thrown<ModelError>([&] { bundle.load_tokenizer(); }), HasSubstr("has no tokenizer"));
  EXPECT_NE(bundle.load_autoencoder({}), nullptr);
}

TEST(Bundle, MissingFileIsNamed) {
  const TinyBundle files;
  fs::remove(files.folder() / "denoiser.pt");
  const auto load = [&] { files.open().load_denoiser({}); };
  EXPECT_THAT(thrown<ModelError>(load), AllOf(HasSubstr("denoiser.pt'"), HasSubstr("which is missing")));
  EXPECT_THAT(thrown<ModelError>([&] { files.open().verify(); }), HasSubstr("denoiser.pt', which is missing"));
}

TEST(Bundle, DamagedFileIsNamed) {
  const TinyBundle files;
  const Bundle bundle = files.open();
  bundle.load_denoiser({});  // leaves a stamp of the sound file
  damage(files.folder() / "denoiser.pt");
  const std::string message = thrown<ModelError>([&] { bundle.load_denoiser({}); });
  EXPECT_THAT(message, AllOf(HasSubstr("denoiser.pt' is damaged or was changed"),
                             HasSubstr(bundle.manifest().denoiser->file.sha256),
                             HasSubstr(sha256_file(files.folder() / "denoiser.pt"))));
  EXPECT_NE(bundle.load_autoencoder({}), nullptr);
}

TEST(Bundle, StampIsTrustedWhenLoadingAndNeverWhenVerifying) {
  const TinyBundle files;
  const Bundle bundle = files.open();
  const fs::path words = files.folder() / "words.json";
  bundle.load_tokenizer();
  const auto time = fs::last_write_time(words);
  damage(words);
  fs::last_write_time(words, time);
  EXPECT_THAT(thrown<ModelError>([&] { bundle.verify(); }), HasSubstr("words.json' is damaged"));
}

TEST(Bundle, RefusesLinksThatLeaveItsFolder) {
  TinyBundle files;
  const test::TemporaryFolder elsewhere;
  fs::rename(files.folder() / "denoiser.pt", elsewhere / "denoiser.pt");
  fs::create_symlink(elsewhere / "denoiser.pt", files.folder() / "denoiser.pt");
  EXPECT_THAT(thrown<ModelError>([&] { files.open().load_denoiser({}); }),
              HasSubstr("leads out of the bundle's folder"));
  EXPECT_THAT(thrown<ModelError>([&] { files.open().verify(); }), HasSubstr("leads out of the bundle's folder"));
  fs::create_directory_symlink(elsewhere.path(), files.folder() / "sub");
  files.manifest["denoiser"]["file"] = "sub/denoiser.pt";
  files.write();
  EXPECT_THAT(thrown<ModelError>([&] { files.open().load_denoiser({}); }),
              HasSubstr("leads out of the bundle's folder"));
}

TEST(Bundle, FollowsLinksThatStay) {
  TinyBundle files;
  fs::create_directory(files.folder() / "parts");
  fs::rename(files.folder() / "denoiser.pt", files.folder() / "parts" / "d.pt");
  fs::create_symlink("parts/d.pt", files.folder() / "denoiser.pt");
  EXPECT_NE(files.open().load_denoiser({}), nullptr);
  const test::TemporaryFolder elsewhere;
  fs::create_directory_symlink(files.folder(), elsewhere / "alias");
  EXPECT_NE(Bundle(elsewhere / "alias").load_denoiser({}), nullptr);
}

TEST(Bundle, ComparesProgramsWithTheManifest) {
  TinyBundle files;
  files.manifest["text_encoder"]["width"] = 5;
  files.write();
  EXPECT_THAT(thrown<ModelError>([&] { files.open().load_text_encoder({}); }),
              HasSubstr("text_encoder.pt' returned [1, 4, 3] for inputs that should give [1, 4, 5]"));
  files.manifest["denoiser"]["guidance_embedding"] = 8;
  files.write();
  EXPECT_THAT(thrown<ModelError>([&] { files.open().load_denoiser({}); }),
              HasSubstr("denoiser.pt' must take 4 tensors and return one; it takes 3"));
  files.set_program("decoder.pt", {"def forward(self, latent):\n    return latent[:, 0:3]"});
  EXPECT_THAT(thrown<ModelError>([&] { files.open().load_autoencoder({}); }),
              HasSubstr("decoder.pt' returned [1, 3, 8, 8] for inputs that should give [1, 3, 32, 32]"));
}

TEST(Bundle, VerifiesEveryComponent) {
  const TinyBundle files;
  const auto lines = files.open().verify();
  for (const char* file :
       {"words.json", "text_encoder.pt", "denoiser.pt", "encoder.pt", "decoder.pt", "cfm.safetensors"}) {
    EXPECT_THAT(lines, Contains(HasSubstr(std::string("hash of ") + file)));
  }
  for (const char* file : {"text_encoder.pt", "denoiser.pt", "encoder.pt", "decoder.pt"}) {
    EXPECT_THAT(lines, Contains(std::string("operators and inputs of ") + file));
  }
  EXPECT_THAT(lines, Contains("tensors of cfm.safetensors for 2x"));
  EXPECT_THAT(lines, Contains("tensors of cfm.safetensors for 4x"));
}

TEST(Bundle, FindsWrongProgramsWhenVerifyingWithoutRunningThem) {
  TinyBundle files;
  files.set_program("encoder.pt", {"def forward(self, x):\n    torch.save(x, 'stolen')\n    return x"});
  EXPECT_THAT(thrown<ModelError>([&] { files.open().verify(); }),
              AllOf(HasSubstr("encoder.pt' is refused"), HasSubstr("aten::save")));
  EXPECT_FALSE(fs::exists("stolen"));
}

// A bundle with couplings inside one that has none.
void nest(TinyBundle& outer, const TinyBundle& inner) {
  fs::copy(inner.folder(), outer.folder() / "upscaler", fs::copy_options::recursive);
  outer.manifest.erase("couplings");
  outer.manifest["upscaler"] = "upscaler";
  outer.write();
}

TEST(UpscalerFolder, IsTheNestedBundleOrTheBundleItself) {
  TinyBundle outer;
  EXPECT_EQ(upscaler_folder(outer.folder()), outer.folder());
  nest(outer, TinyBundle());
  EXPECT_EQ(upscaler_folder(outer.folder()), outer.folder() / "upscaler");
  EXPECT_THAT(outer.open().verify(), Contains(HasSubstr("upscaler: tensors of")));
}

TEST(UpscalerFolder, ProblemsOfTheNestedBundleAreNamed) {
  TinyBundle outer;
  nest(outer, TinyBundle());
  fs::remove(outer.folder() / "upscaler" / "bundle.json");
  EXPECT_THAT(thrown<ModelError>([&] { upscaler_folder(outer.folder()); }), HasSubstr("upscaler"));
  EXPECT_THAT(thrown<ModelError>([&] { outer.open().verify(); }), HasSubstr("upscaler"));

  TinyBundle deeper;
  nest(deeper, TinyBundle());
  TinyBundle three;
  nest(three, deeper);
  EXPECT_THAT(thrown<ModelError>([&] { upscaler_folder(three.folder()); }),
              HasSubstr("must not have an 'upscaler' itself"));

  TinyBundle elsewhere;
  const TinyBundle target;
  elsewhere.manifest.erase("couplings");
  elsewhere.manifest["upscaler"] = "upscaler";
  elsewhere.write();
  fs::create_directory_symlink(target.folder(), elsewhere.folder() / "upscaler");
  EXPECT_THAT(thrown<ModelError>([&] { upscaler_folder(elsewhere.folder()); }), HasSubstr("leads out of"));
}

TEST(UpscalesOwnImages, HoldsForTheSameBundleOrANestedOneWithoutADenoiser) {
  TinyBundle drawing;
  const TinyBundle stranger;
  EXPECT_TRUE(is_own_upscaler(drawing.open(), drawing.open()));
  EXPECT_FALSE(is_own_upscaler(drawing.open(), stranger.open()));

  TinyBundle upscaler;
  for (const char* part : {"tokenizer", "text_encoder", "denoiser"}) {
    upscaler.manifest.erase(part);
  }
  upscaler.write();
  EXPECT_FALSE(is_own_upscaler(drawing.open(), upscaler.open()));
  nest(drawing, upscaler);
  EXPECT_TRUE(is_own_upscaler(drawing.open(), Bundle(drawing.folder() / "upscaler")));
  EXPECT_FALSE(is_own_upscaler(drawing.open(), upscaler.open())) << "the same, but elsewhere";

  TinyBundle outer;
  nest(outer, TinyBundle());
  EXPECT_FALSE(is_own_upscaler(outer.open(), Bundle(outer.folder() / "upscaler"))) << "that one has its own denoiser";
}

TEST(DefaultModel, LoadsAndVerifies) {
  const Bundle bundle(FMBOOST_DEFAULT_MODEL);
  EXPECT_EQ(bundle.verify().size(), 6U + 1U + 3U + 4U);  // files, tokenizer, networks, couplings
  const auto tokenizer = bundle.load_tokenizer();
  const auto ids = torch::tensor(tokenizer->encode("red flowers, blue sky").ids, torch::kInt64).unsqueeze(0);
  const torch::Tensor text = bundle.load_text_encoder({})->encode(ids);
  EXPECT_EQ(text.sizes(), at::IntArrayRef({1, 48, 128}));
  const torch::Tensor latent = torch::zeros({1, 16, 8, 16});
  const torch::Tensor prediction = bundle.load_denoiser({})->predict(latent, 500, text, {});
  EXPECT_EQ(prediction.sizes(), latent.sizes());
  const auto autoencoder = bundle.load_autoencoder({});
  EXPECT_EQ(autoencoder->decode(latent).sizes(), at::IntArrayRef({1, 3, 32, 64}));
  EXPECT_EQ(autoencoder->encode(torch::zeros({1, 3, 32, 64})).sizes(), latent.sizes());
}

TEST(DefaultModel, PathComesFromTheEnvironmentOrTheExecutable) {
  ::setenv("FMBOOST_MODEL", "/some/where", 1);
  EXPECT_EQ(default_model_folder(), "/some/where");
  ::setenv("FMBOOST_MODEL", "", 1);
  const fs::path project = fs::path(FMBOOST_DEFAULT_MODEL).parent_path().parent_path();
  if (executable_dir().string().starts_with(project.string())) {
    EXPECT_EQ(default_model_folder(), FMBOOST_DEFAULT_MODEL);
  } else {
    EXPECT_THAT(thrown<ModelError>([] { default_model_folder(); }), HasSubstr("FMBOOST_MODEL"));
  }
  ::unsetenv("FMBOOST_MODEL");
}

}  // namespace
}  // namespace fmboost
