#include "io/safetensors_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/safetensors.h"
#include "fmboost/io/sha256.h"

#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::TemporaryFolder;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

DeferredTensor deferred(const std::string& name, const torch::Tensor& tensor) {
  return {name, tensor.scalar_type(), tensor.sizes().vec(), [tensor] { return tensor; }};
}

TEST(WriteOneByOne, FileEqualsThatOfAWholeWrite) {
  const TemporaryFolder folder;
  const torch::Tensor a = torch::rand({3, 4});
  const torch::Tensor b = torch::rand({5}).to(torch::kFloat16);
  const auto hash =
      write_safetensors_one_by_one(folder / "one", {deferred("b", b), deferred("a", a.t())}, {{"kind", "test"}});
  write_safetensors(folder / "whole", {{"a", a.t()}, {"b", b}}, {{"kind", "test"}});
  EXPECT_EQ(hash, sha256_file(folder / "one"));
  EXPECT_EQ(hash, sha256_file(folder / "whole"));
  EXPECT_TRUE(torch::equal(SafetensorsFile(folder / "one").tensor("a"), a.t()));
}

TEST(WriteOneByOne, HoldsOneTensorAtATime) {
  const TemporaryFolder folder;
  int alive = 0;
  std::vector<DeferredTensor> tensors;
  for (int i = 0; i < 5; ++i) {
    tensors.push_back({std::to_string(i), torch::kFloat32, {2}, [&alive] {
                         EXPECT_EQ(alive++, 0);
                         auto* values = new float[2]{1, 2};
                         return torch::from_blob(
                             values, {2},
                             [&alive, values](void*) {
                               --alive;
                               delete[] values;
                             },
                             torch::kFloat32);
                       }});
  }
  write_safetensors_one_by_one(folder / "file", tensors);
  EXPECT_EQ(alive, 0);
}

TEST(WriteOneByOne, FailingOrUnexpectedTensorLeavesNoFile) {
  const TemporaryFolder folder;
  const DeferredTensor broken{"x", torch::kFloat32, {2}, []() -> torch::Tensor { throw ModelError("no such thing"); }};
  EXPECT_THAT(thrown<ModelError>([&] { write_safetensors_one_by_one(folder / "file", {broken}); }), "no such thing");
  const DeferredTensor other{"x", torch::kFloat32, {2}, [] { return torch::zeros({3}); }};
  EXPECT_THAT(thrown<Error>([&] { write_safetensors_one_by_one(folder / "file", {other}); }),
              AllOf(HasSubstr("'x'"), HasSubstr("[2]"), HasSubstr("[3]")));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Release, TensorsStayReadable) {
  const TemporaryFolder folder;
  const torch::Tensor values = torch::arange(100'000, torch::kFloat32);
  write_safetensors(folder / "file", {{"x", values}, {"y", values + 1}});
  const SafetensorsFile file(folder / "file");
  const torch::Tensor x = file.tensor("x");
  file.release("x");
  file.release("no such tensor");
  EXPECT_TRUE(torch::equal(x, values));
  EXPECT_TRUE(torch::equal(file.tensor("y"), values + 1));
}

}  // namespace
}  // namespace fmboost
