#include "io/npy.h"

#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

// An array file as text: magic, version, header, numbers.
std::string file_of(const std::string& header, const std::string& data, char version = 1) {
  std::string text = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return text + header + data;
}

std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

std::string error_for(const std::string& file) {
  return thrown<Error>([&] { read_npy(as_bytes(file), "shard.tar: a.latent.npy"); });
}

TEST(Npy, ReturnsTheWrittenArray) {
  for (const auto dtype : {torch::kFloat16, torch::kFloat32}) {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{4, 3, 5}, {7}, {}, {2, 0, 3}}) {
      const torch::Tensor array = torch::randn(shape).to(dtype);
      const torch::Tensor read = read_npy(write_npy(array), "a");
      EXPECT_EQ(read.scalar_type(), dtype);
      EXPECT_TRUE(torch::equal(read, array)) << array.sizes();
    }
  }
}

TEST(Npy, HeaderEqualsNumpys) {
  const auto bytes = write_npy(torch::zeros({4, 8, 16}, torch::kFloat16));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  ASSERT_EQ(text.size(), 128 + 4 * 8 * 16 * 2U);
  EXPECT_EQ(text.substr(0, 10), std::string("\x93NUMPY\x01\0\x76\0", 10));
  EXPECT_EQ(text.substr(10, 59), "{'descr': '<f2', 'fortran_order': False, 'shape': (4, 8, 16");
  EXPECT_EQ(text[127], '\n');
}

TEST(Npy, NonContiguousTensorsAreWritten) {
  const torch::Tensor array = torch::arange(6).to(torch::kFloat32).reshape({2, 3}).t();
  EXPECT_TRUE(torch::equal(read_npy(write_npy(array), "a"), array));
}

TEST(Npy, ReadsOtherVersionsAndSpellings) {
  const std::string numbers = floats({1, 2, 3, 4, 5, 6});
  const torch::Tensor expected = torch::arange(1, 7).to(torch::kFloat32).reshape({2, 3});
  const std::string plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  const std::string other = "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}";
  for (const char version : {'\1', '\2', '\3'}) {
    EXPECT_TRUE(torch::equal(read_npy(as_bytes(file_of(plain, numbers, version)), "a"), expected));
    EXPECT_TRUE(torch::equal(read_npy(as_bytes(file_of(other, numbers, version)), "a"), expected));
  }
}

TEST(Npy, ReadsFortranOrder) {
  const std::string header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  const torch::Tensor read = read_npy(as_bytes(file_of(header, floats({1, 4, 2, 5, 3, 6}))), "a");
  EXPECT_TRUE(torch::equal(read, torch::arange(1, 7).to(torch::kFloat32).reshape({2, 3})));
  EXPECT_TRUE(read.is_contiguous());
}

TEST(Npy, ReadsAnyArrayAsFloat) {
  const torch::Tensor array = torch::randn({2, 3}).to(torch::kFloat16);
  const auto bytes = write_npy(array);
  EXPECT_TRUE(torch::equal(read_npy_float(bytes, "a"), array.to(torch::kFloat32)));
  std::vector<std::byte> shifted(bytes.size() + 1);
  std::copy(bytes.begin(), bytes.end(), shifted.begin() + 1);
  EXPECT_TRUE(torch::equal(read_npy_float(std::span(shifted).subspan(1), "a"), array.to(torch::kFloat32)));
  EXPECT_EQ(read_npy_float(write_npy(torch::zeros({2, 0})), "a").numel(), 0);
  const std::string fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  const torch::Tensor read = read_npy_float(as_bytes(file_of(fortran, floats({1, 4, 2, 5, 3, 6}))), "a");
  EXPECT_TRUE(torch::equal(read, torch::arange(1, 7).to(torch::kFloat32).reshape({2, 3})));
}

TEST(Npy, DoesNotChangeTheBytesItReads) {
  const auto bytes = write_npy(torch::ones({4}));
  read_npy_float(bytes, "a").zero_();
  EXPECT_TRUE(torch::equal(read_npy(bytes, "a"), torch::ones({4})));
}

TEST(Npy, OtherDtypesAreRefusedWhenReading) {
  const auto header = [](const std::string& descr) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,), }";
  };
  for (const char* descr : {"'<f8'", "'>f4'", "'|O'", "'<i4'"}) {
    EXPECT_THAT(
        error_for(file_of(header(descr), floats({1}))),
        AllOf(HasSubstr("shard.tar: a.latent.npy"), HasSubstr("float16"), HasSubstr(std::string(descr).substr(1, 2))));
  }
  EXPECT_THAT(error_for(file_of(header("[('a', '<f4')]"), floats({1}))), HasSubstr("a record"));
}

TEST(Npy, RefusesHostileHeaders) {
  const auto with_shape = [](const std::string& shape) {
    return file_of("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }", floats({1}));
  };
  for (const char* shape : {"(-1,)", "(1.5,)", "[1]", "1", "(1", "(None,)", "(1,1,1,1,1,1,1,1,1)", "('1',)"}) {
    EXPECT_THAT(error_for(with_shape(shape)), HasSubstr("header cannot be read")) << shape;
  }
  EXPECT_THAT(error_for(with_shape("(4294967296, 4294967296)")), HasSubstr("more elements than any file"));
  EXPECT_THAT(error_for(with_shape("(99999999999999999999999,)")), HasSubstr("header cannot be read"));
  EXPECT_THAT(error_for(with_shape("(1000000,)")), AllOf(HasSubstr("4000000 bytes"), HasSubstr("but it has 4")));
  for (const char* header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "{'descr': '<f4"}) {
    EXPECT_THAT(error_for(file_of(header, floats({1}))), HasSubstr("header cannot be read")) << header;
  }
}

TEST(Npy, ForeignOrTruncatedFilesAreRefused) {
  EXPECT_THAT(error_for(""), HasSubstr("not an npy array"));
  EXPECT_THAT(error_for("PK\x03\x04 a zip file"), HasSubstr("not an npy array"));
  EXPECT_THAT(error_for(std::string("\x93NUMPY\x09\0\x10\0", 10)), HasSubstr("version 9"));
  const auto bytes = write_npy(torch::zeros({4, 4}));
  const std::string whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(read_npy(as_bytes(whole.substr(0, size)), "a"), Error) << size;
  }
  EXPECT_THROW(read_npy(as_bytes(whole + "x"), "a"), Error);
  EXPECT_THAT(error_for(std::string("\x93NUMPY\x02\0\xff\xff\xff\x7f", 12)), HasSubstr("longer than"));
}

TEST(Npy, OtherDtypesAreRefusedWhenWriting) {
  EXPECT_THAT(thrown<UsageError>([] { write_npy(torch::zeros({1}, torch::kFloat64)); }), HasSubstr("Double"));
}

}  // namespace
}  // namespace fmboost
