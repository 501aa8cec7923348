#include "fmboost/io/sha256.h"

#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/temporary_folder.h"

namespace fmboost {
namespace {

// FIPS 180-4's examples, from NIST's Cryptographic Standards page.
constexpr const char* kOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kOfMillionAs = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256({}), kOfNothing);
  EXPECT_EQ(sha256(as_bytes("abc")), kOfAbc);
  EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(as_bytes(std::string(1'000'000, 'a'))), kOfMillionAs);
}

TEST(Sha256, ChunksGiveTheSameHash) {
  Sha256 hash;
  for (const std::string piece : {"a", "", "bc"}) {
    hash.update(as_bytes(piece));
  }
  EXPECT_EQ(hash.digest(), kOfAbc);
}

TEST(Sha256, FileHashEqualsThatOfItsBytes) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "empty", {});
  write_file_atomically(folder / "abc", as_bytes("abc"));
  EXPECT_EQ(sha256_file(folder / "empty"), kOfNothing);
  EXPECT_EQ(sha256_file(folder / "abc"), kOfAbc);
  EXPECT_THROW(sha256_file(folder / "missing"), Error);
}

}  // namespace
}  // namespace fmboost
