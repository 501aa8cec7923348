#include "import/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"
#include "text/clip_tokenizer.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

const char* const kVocabulary = R"({"a": 0, "b</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3})";

class TokenizerFolder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_ / name, as_bytes(text));
  }
  std::string complaint() const {
    return thrown<ModelError>([&] { read_tokenizer_folder(folder_.path()); });
  }

  test::TemporaryFolder folder_;
};

TEST(ShippedTokenizer, IsThatOfClip) {
  const TokenizerFiles files = shipped_tokenizer();
  EXPECT_EQ(files.start, 49406);
  EXPECT_EQ(files.end, 49407);
  EXPECT_EQ(files.pad, 49407);
  EXPECT_EQ(files.largest_id, 49407);
  EXPECT_EQ(json::parse(files.vocab), json::parse(read_text_file(fs::path(FMBOOST_CLIP) / "vocab.json")));
}

TEST(ShippedTokenizer, IsWrittenWithItsHashes) {
  const test::TemporaryFolder folder;
  const json entry = write_tokenizer(shipped_tokenizer(), folder.path());
  EXPECT_EQ(entry["type"], "clip-bpe");
  for (const char* file : {"vocab", "merges"}) {
    const fs::path path = folder.path() / entry[file].get<std::string>();
    EXPECT_EQ(entry[file + std::string("_sha256")], sha256_file(path));
  }
  const ClipTokenizer tokenizer(folder / "tokenizer/vocab.json", folder / "tokenizer/merges.txt");
  EXPECT_EQ(tokenizer.encode_all("a cat"), (std::vector<std::int64_t>{320, 2368}));
}

TEST_F(TokenizerFolder, VocabularyAndMergesAreRead) {
  write("vocab.json", kVocabulary);
  write("merges.txt", "#version: 0.2\na b</w>\n");
  write("tokenizer_config.json", R"({"model_max_length": 12, "pad_token": {"content": "a"}})");
  const TokenizerFiles files = read_tokenizer_folder(folder_.path());
  EXPECT_EQ(files.start, 2);
  EXPECT_EQ(files.end, 3);
  EXPECT_EQ(files.pad, 0);
  EXPECT_EQ(files.largest_id, 3);
  EXPECT_EQ(files.max_length, 12);
  EXPECT_THAT(files.merges, HasSubstr("a b</w>"));
}

TEST_F(TokenizerFolder, TokenizerJsonAloneIsRead) {
  const json content = {
      {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b</w>", 1}}}, {"merges", {"a b</w>", {"b", "a"}}}}},
      {"added_tokens", {{{"content", "<|startoftext|>"}, {"id", 2}}, {{"content", "<|endoftext|>"}, {"id", 3}}}}};
  write("tokenizer.json", content.dump());
  write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  const TokenizerFiles files = read_tokenizer_folder(folder_.path());
  EXPECT_EQ(json::parse(files.vocab), json::parse(kVocabulary));
  EXPECT_EQ(files.merges, "#version: 0.2\na b</w>\nb a\n");
  EXPECT_EQ(files.pad, 3);
  EXPECT_FALSE(files.max_length);
}

TEST_F(TokenizerFolder, MissingOrDamagedFilesAreNamed) {
  EXPECT_THAT(complaint(), HasSubstr("contains no CLIP tokenizer"));
  write("tokenizer.json", R"({"model": {"type": "Unigram"}})");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("tokenizer.json"), HasSubstr("BPE")));
  write("tokenizer.json", "{");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("tokenizer.json"), HasSubstr("not valid JSON")));
  write("vocab.json", R"({"a": "b"})");
  write("merges.txt", "");
  EXPECT_THAT(complaint(), HasSubstr("whole numbers"));
  write("vocab.json", R"({"a": 1})");
  EXPECT_THAT(complaint(), HasSubstr("<|startoftext|>"));
}

}  // namespace
}  // namespace fmboost
