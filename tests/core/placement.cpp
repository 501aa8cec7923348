#include "fmboost/core/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include "fmboost/core/error.h"

#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

TEST(ResolvePlacement, AutoIsTheFirstGpuOrElseTheCpu) {
  const auto device = resolve_placement("auto", "float32").device;
  EXPECT_EQ(device.str(), torch::cuda::device_count() > 0 ? "cuda:0" : "cpu");
}

TEST(ResolvePlacement, ExplicitDtypeIsUsed) {
  EXPECT_EQ(resolve_placement("cpu", "float32").dtype, torch::kFloat32);
  EXPECT_EQ(resolve_placement("cpu", "bfloat16").dtype, torch::kBFloat16);
  EXPECT_EQ(resolve_placement("cpu", "float16").dtype, torch::kFloat16);
}

TEST(ResolvePlacement, AutomaticDtypeFollowsAFixedRule) {
  const auto expected = cpu_has_fast_bfloat16() ? torch::kBFloat16 : torch::kFloat32;
  EXPECT_EQ(resolve_placement("cpu", "auto").dtype, expected);
}

TEST(ResolvePlacement, UnknownDevicesAreRefused) {
  for (const std::string name : {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda: 1", "mps",
                                 "cuda:99999999999999999999"}) {
    EXPECT_THAT(thrown<UsageError>([&] { resolve_placement(name, "auto"); }),
                AllOf(HasSubstr("'" + name + "'"), HasSubstr("auto, cpu, cuda or cuda:N")));
  }
}

TEST(ResolvePlacement, UnknownDtypesAreRefused) {
  for (const std::string name : {"", "float", "fp16", "float64", "Float32"}) {
    EXPECT_THAT(thrown<UsageError>([&] { resolve_placement("cpu", name); }),
                AllOf(HasSubstr("'" + name + "'"), HasSubstr("bfloat16")));
  }
}

TEST(ResolvePlacement, MissingGpuIsARuntimeError) {
  try {
    resolve_placement("cuda:200", "auto");
    FAIL() << "no error came";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::runtime);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cuda:200"), HasSubstr("GPU")));
  }
}

TEST(Placement, TextNamesDeviceAndDtype) {
  EXPECT_EQ(to_string(Placement{}), "cpu float32");
  EXPECT_EQ(to_string(Placement{.device = torch::Device(torch::kCUDA, 1), .dtype = torch::kBFloat16}),
            "cuda:1 bfloat16");
}

TEST(DtypeName, IsTheInverseOfParsing) {
  for (const auto dtype : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
    EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype);
  }
  EXPECT_THROW(parse_dtype("auto"), UsageError);
  EXPECT_EQ(dtype_name(torch::kInt64), "Long");
}

TEST(Memory, IsAPlausibleNumberOfBytes) {
  constexpr std::int64_t kOneMiB = 1 << 20;
  constexpr std::int64_t kLargestMachine = std::int64_t{1} << 46;
  EXPECT_GT(available_memory(torch::kCPU), kOneMiB);
  EXPECT_LT(available_memory(torch::kCPU), kLargestMachine);
  const auto touched = torch::ones({64 * kOneMiB}, torch::kUInt8);
  EXPECT_GT(peak_resident_memory(), touched.nbytes());
  EXPECT_LT(peak_resident_memory(), kLargestMachine);
}

}  // namespace
}  // namespace fmboost
