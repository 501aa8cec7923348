#include "fmboost/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <torch/types.h>

#include "fmboost/core/error.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::TemporaryFolder;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

// Reinterprets running bytes, so that every bit pattern of a type counts.
torch::Tensor bit_patterns(torch::ScalarType dtype, at::IntArrayRef shape) {
  const auto size = static_cast<std::int64_t>(c10::elementSize(dtype));
  const auto bytes = torch::arange(c10::multiply_integers(shape) * size, torch::kInt64).mul(37).remainder(251);
  return dtype == torch::kBool ? bytes.remainder(2).to(torch::kBool).reshape(shape)
                               : bytes.to(torch::kUInt8).view(dtype).reshape(shape);
}

bool same_bytes(const torch::Tensor& a, const torch::Tensor& b) {
  return a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
         std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0;
}

TEST(Safetensors, KeepsTensorsOfEveryType) {
  const TemporaryFolder folder;
  NamedTensors tensors;
  for (const auto dtype :
       {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kFloat8_e4m3fn, torch::kFloat8_e5m2,
        torch::kFloat8_e8m0fnu, torch::kInt64, torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt64,
        torch::kUInt32, torch::kUInt16, torch::kUInt8, torch::kBool, torch::kComplexFloat}) {
    tensors.emplace_back(c10::toString(dtype), bit_patterns(dtype, {3, 5}));
  }
  write_safetensors(folder / "all.safetensors", tensors);
  const SafetensorsFile file(folder / "all.safetensors");
  EXPECT_EQ(file.entries().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(same_bytes(file.tensor(name), tensor)) << name;
    EXPECT_EQ(file.entries().at(name).dtype, tensor.scalar_type());
  }
}

TEST(Safetensors, KeepsScalarsAndEmptyTensors) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"scalar", torch::tensor(2.5)}, {"empty", torch::empty({0, 3})}});
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.tensor("scalar").dim(), 0);
  EXPECT_EQ(file.tensor("scalar").item<float>(), 2.5F);
  EXPECT_EQ(file.tensor("empty").sizes(), (std::vector<std::int64_t>{0, 3}));
  EXPECT_TRUE(file.contains("empty"));
  EXPECT_FALSE(file.contains("full"));
}

TEST(Safetensors, EmptyFileHoldsNoTensors) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {});
  EXPECT_TRUE(SafetensorsFile(folder / "a").entries().empty());
}

TEST(Safetensors, KeepsMetadata) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"quote \"\\", "ü\n\t\0 end"}, {"", ""}};
  write_safetensors(folder / "a", {{"x", torch::zeros(1)}}, metadata);
  EXPECT_EQ(SafetensorsFile(folder / "a").metadata(), metadata);
}

TEST(Safetensors, ViewsAreWrittenAsTheyAreSeen) {
  const TemporaryFolder folder;
  const auto whole = torch::arange(12).reshape({3, 4});
  write_safetensors(folder / "a", {{"turned", whole.t()}, {"part", whole.slice(1, 1, 3)}});
  const SafetensorsFile file(folder / "a");
  EXPECT_TRUE(torch::equal(file.tensor("turned"), whole.t()));
  EXPECT_TRUE(torch::equal(file.tensor("part"), whole.slice(1, 1, 3)));
}

TEST(Safetensors, TensorsAreAlignedAndSortedByTypeThenName) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"byte", torch::zeros(3, torch::kUInt8)},
                                   {"b", torch::zeros(3, torch::kFloat32)},
                                   {"half", torch::zeros(5, torch::kFloat16)},
                                   {"a", torch::zeros(1, torch::kFloat32)},
                                   {"double", torch::zeros(1, torch::kFloat64)}});
  const SafetensorsFile file(folder / "a");
  const auto begin = [&](const char* name) { return file.entries().at(name).begin; };
  EXPECT_EQ(begin("double"), 0U);
  EXPECT_EQ(begin("a"), 8U);
  EXPECT_EQ(begin("b"), 12U);
  EXPECT_EQ(begin("half"), 24U);
  EXPECT_EQ(begin("byte"), 34U);
}

TEST(Safetensors, MappedTensorsOutliveTheFileObject) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", torch::arange(1000)}});
  std::optional<SafetensorsFile> file(folder / "a");
  const auto tensor = file->tensor("x");
  EXPECT_EQ(tensor.data_ptr(), file->tensor("x").data_ptr());
  file.reset();
  EXPECT_EQ(tensor.sum().item<std::int64_t>(), 499500);
}

// Written by the reference package, safetensors 0.8.0 for Python.
TEST(Safetensors, ReadsTheReferenceWritersFiles) {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  const std::string bytes =
      "\xd0\0\0\0\0\0\0\0"
      "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
      "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[8,8]},"
      "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[8,12]}}       "
      "\x07\0\0\0\0\0\0\0\xc0?\0\xc0"s;
  write_file_atomically(folder / "a", as_bytes(bytes));
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.tensor("a").item<std::int64_t>(), 7);
  EXPECT_TRUE(torch::equal(file.tensor("b"), torch::tensor({{1.5, -2.0}}).to(torch::kBFloat16)));
  EXPECT_EQ(file.tensor("empty").numel(), 0);
}

TEST(Safetensors, ReadsUnalignedData) {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  const std::string header =
      R"({"byte":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const std::string bytes =
      std::string(1, static_cast<char>(header.size())) + "\0\0\0\0\0\0\0"s + header + "\x05\0\0\x80\x3f\0\0\0\xc0"s;
  write_file_atomically(folder / "a", as_bytes(bytes));
  const auto tensor = SafetensorsFile(folder / "a").tensor("x");
  EXPECT_TRUE(torch::equal(tensor, torch::tensor({1.0F, -2.0F})));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 4, 0U);
}

TEST(Safetensors, MissingTensorErrorNamesFileAndTensor) {
  const TemporaryFolder folder;
  write_safetensors(folder / "weights.safetensors", {{"x", torch::zeros(1)}});
  const SafetensorsFile file(folder / "weights.safetensors");
  EXPECT_THAT(thrown<ModelError>([&] { file.tensor("conv.weight"); }),
              AllOf(HasSubstr("weights.safetensors"), HasSubstr("'conv.weight'")));
  EXPECT_THAT(thrown<ModelError>([&] { SafetensorsFile(folder / "none"); }), HasSubstr("No such file"));
}

TEST(WriteSafetensors, UnsupportedTensorsAreRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(thrown<Error>([&] {
                write_safetensors(folder / "a", {{"x", torch::zeros(1, torch::kComplexDouble)}});
              }),
              HasSubstr("ComplexDouble"));
  EXPECT_THAT(thrown<Error>([&] {
                write_safetensors(folder / "a", {{"x", torch::zeros(1)}, {"x", torch::zeros(1)}});
              }),
              AllOf(HasSubstr("/a'"), HasSubstr("'x'")));
  EXPECT_THAT(thrown<Error>([&] {
                write_safetensors(folder / "a", {{"__metadata__", torch::zeros(1)}});
              }),
              HasSubstr("__metadata__"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace fmboost
