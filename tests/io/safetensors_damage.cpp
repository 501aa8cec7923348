#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + rest;
}

std::string with_header(const std::string& header, std::size_t data_size = 0) {
  return with_length(header.size(), header + std::string(data_size, '\1'));
}

// One tensor named x.
std::string with_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets,
                        std::size_t data_size) {
  return with_header(R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
                     data_size);
}

class DamagedSafetensors : public testing::Test {
 protected:
  // The complaint about a file with these bytes; it names the file.
  std::string complaint(const std::string& bytes) const {
    write_file_atomically(folder_ / "weights.safetensors", as_bytes(bytes));
    const auto message = thrown<ModelError>([&] { SafetensorsFile(folder_ / "weights.safetensors"); });
    EXPECT_THAT(message, HasSubstr("weights.safetensors"));
    return message;
  }

  test::TemporaryFolder folder_;
};

TEST_F(DamagedSafetensors, FileTooShortForTheLengthIsRefused) {
  EXPECT_THAT(complaint(""), HasSubstr("only 0 bytes"));
  EXPECT_THAT(complaint("1234567"), HasSubstr("only 7 bytes"));
}

TEST_F(DamagedSafetensors, WrongHeaderLengthIsRefused) {
  EXPECT_THAT(complaint(with_length(3, "{}")), HasSubstr("header of 3 bytes but has 10 bytes in total"));
  EXPECT_THAT(complaint(with_length(100'000'001, "{}")), HasSubstr("100000001"));
  EXPECT_THAT(complaint(with_length(~std::uint64_t{0}, "{}")), HasSubstr("18446744073709551615"));
  EXPECT_THAT(complaint(with_length(std::uint64_t{1} << 63, "{}")), HasSubstr("9223372036854775808"));
}

TEST_F(DamagedSafetensors, HeaderMustBeAJsonObject) {
  for (const std::string header : {"", "{", "{}}", "{'x':1}", "\xff\xfe", "{\"a\":1e999}", "nul"}) {
    EXPECT_THAT(complaint(with_header(header)), HasSubstr("header' is not valid JSON")) << header;
  }
  for (const std::string header : {"[]", "1", "null", "\"{}\""}) {
    EXPECT_THAT(complaint(with_header(header)), HasSubstr("must hold a JSON object")) << header;
  }
}

TEST_F(DamagedSafetensors, DeepNestingIsRefused) {
  EXPECT_THAT(complaint(with_header("{\"x\":" + std::string(10'000'000, '['))), HasSubstr("nested too deeply"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) {
    objects += "{\"a\":";
  }
  EXPECT_THAT(complaint(with_header(objects)), HasSubstr("nested too deeply"));
  // Brackets within names are none.
  EXPECT_THAT(complaint(with_header("{\"[[[[[[[[[[\\\"{{{{\":1}")), HasSubstr("needs dtype"));
}

TEST_F(DamagedSafetensors, DuplicateNamesAreRefused) {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(complaint(with_header("{\"conv\":" + entry + ",\"conv\":" + entry + "}", 1)),
              HasSubstr("'conv' occurs twice"));
  EXPECT_THAT(complaint(with_header(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"shape":[1]}})", 1)),
              HasSubstr("'shape' occurs twice"));
  EXPECT_THAT(complaint(with_header(R"({"__metadata__":{"a":"1","a":"2"}})")), HasSubstr("'a' occurs twice"));
}

TEST_F(DamagedSafetensors, MissingFieldsAreNamed) {
  for (const std::string entry : {"1", "[]", "{}", R"({"dtype":"U8","shape":[1]})",
                                  R"({"dtype":"U8","data_offsets":[0,1]})", R"({"shape":[1],"data_offsets":[0,1]})"}) {
    EXPECT_THAT(complaint(with_header("{\"x\":" + entry + "}", 1)),
                AllOf(HasSubstr("tensor 'x'"), HasSubstr("needs dtype, shape and data_offsets")))
        << entry;
  }
}

TEST_F(DamagedSafetensors, UnknownDtypesAreNamed) {
  EXPECT_THAT(complaint(with_tensor("\"F4\"", "[1]", "[0,1]", 1)),
              AllOf(HasSubstr("tensor 'x'"), HasSubstr("unknown dtype F4")));
  EXPECT_THAT(complaint(with_tensor("8", "[1]", "[0,1]", 1)), HasSubstr("unknown dtype 8"));
  EXPECT_THAT(complaint(with_tensor("null", "[1]", "[0,1]", 1)), HasSubstr("unknown dtype null"));
}

TEST_F(DamagedSafetensors, ShapesAndOffsetsMustBeSizes) {
  for (const std::string bad : {"1", "null", "{}", "[-1]", "[1.5]", "[\"1\"]", "[true]", "[[1]]", "[1e3]",
                                "[18446744073709551615]", "[9223372036854775808]"}) {
    EXPECT_THAT(complaint(with_tensor("\"U8\"", bad, "[0,1]", 1)),
                AllOf(HasSubstr("tensor 'x'"), HasSubstr("not lists of sizes")))
        << bad;
  }
  for (const std::string bad : {"1", "[]", "[0]", "[0,1,1]", "[-1,0]", "[0,1.0]", "{\"0\":0}"}) {
    EXPECT_THAT(complaint(with_tensor("\"U8\"", "[1]", bad, 1)), HasSubstr("not lists of sizes")) << bad;
  }
}

TEST_F(DamagedSafetensors, OverflowingShapesAreRefused) {
  const std::string huge = std::to_string(std::int64_t{1} << 40);
  EXPECT_THAT(complaint(with_tensor("\"F32\"", "[" + huge + "," + huge + "]", "[0,4]", 4)),
              AllOf(HasSubstr("tensor 'x'"), HasSubstr("impossible shape")));
  // 2^32 * 2^32 * 4 wraps to 0, and so does PyTorch's stride of an empty tensor.
  EXPECT_THAT(complaint(with_tensor("\"F32\"", "[4294967296,4294967296]", "[0,0]", 0)), HasSubstr("impossible shape"));
  EXPECT_THAT(complaint(with_tensor("\"F32\"", "[0," + huge + "," + huge + "]", "[0,0]", 0)),
              HasSubstr("impossible shape"));
}

TEST_F(DamagedSafetensors, OffsetsMustFitTheShape) {
  EXPECT_THAT(complaint(with_tensor("\"F32\"", "[2]", "[0,4]", 4)),
              AllOf(HasSubstr("tensor 'x' of shape [2] needs 8 bytes"), HasSubstr("hold 4")));
  EXPECT_THAT(complaint(with_tensor("\"U8\"", "[0]", "[0,1]", 1)), HasSubstr("needs 0 bytes"));
}

TEST_F(DamagedSafetensors, OffsetsBeyondTheFileAreRefused) {
  EXPECT_THAT(complaint(with_tensor("\"F32\"", "[2]", "[0,8]", 7)),
              AllOf(HasSubstr("tensor 'x' refers to bytes [0,8]"), HasSubstr("of 7 bytes"), HasSubstr("truncated")));
  EXPECT_THAT(complaint(with_tensor("\"U8\"", "[1]", "[2,1]", 4)), HasSubstr("refers to bytes [2,1]"));
}

TEST_F(DamagedSafetensors, GapsAndOverlapsAreRefused) {
  const auto two = [](const std::string& first, const std::string& second, std::size_t size) {
    return with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
                           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}",
                       size);
  };
  EXPECT_THAT(complaint(two("[0,2]", "[1,3]", 3)), HasSubstr("tensor 'b' overlaps"));
  EXPECT_THAT(complaint(two("[0,2]", "[0,2]", 2)), HasSubstr("overlaps"));
  EXPECT_THAT(complaint(two("[0,2]", "[3,5]", 5)), HasSubstr("tensor 'b' leaves a gap"));
  EXPECT_THAT(complaint(two("[2,4]", "[4,6]", 6)), HasSubstr("tensor 'a' leaves a gap"));
  EXPECT_THAT(complaint(two("[0,2]", "[2,4]", 5)), HasSubstr("end at byte 4 of a data section of 5 bytes"));
  EXPECT_THAT(complaint(with_header("{}", 1)), HasSubstr("end at byte 0"));
}

TEST_F(DamagedSafetensors, MetadataMustBeText) {
  EXPECT_THAT(complaint(with_header(R"({"__metadata__":[]})")), HasSubstr("__metadata__ is not an object"));
  EXPECT_THAT(complaint(with_header(R"({"__metadata__":{"epoch":3}})")), HasSubstr("metadata 'epoch' is not a string"));
}

}  // namespace
}  // namespace fmboost
