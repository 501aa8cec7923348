#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"

#include "model/torchscript.h"
#include "support/compare.h"
#include "support/scripted_program.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Placement kFloat32{torch::kCPU, torch::kFloat32};
const Placement kBFloat16{torch::kCPU, torch::kBFloat16};

class TorchScriptRun : public testing::Test {
 protected:
  TorchScriptProgram load(const std::string& forward, std::size_t inputs, const Placement& placement = kFloat32) const {
    test::save_program(folder_ / "program.pt", {forward});
    return {folder_ / "program.pt", inputs, placement};
  }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(TorchScriptRun, CastsWeightsAndInputsAndReturnsFloat32) {
  // 1 + 2^-9 is 1 in bfloat16.
  const torch::Tensor x = torch::full({3}, 1.0 + 1.0 / 512);
  const std::string source = "def forward(self, x):\n    return x * self.one";
  const torch::Tensor exact = load(source, 1).run({x});
  EXPECT_TRUE(torch::equal(exact, x));
  const torch::Tensor coarse = load(source, 1, kBFloat16).run({x});
  EXPECT_EQ(coarse.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::equal(coarse, torch::ones({3})));
}

TEST_F(TorchScriptRun, KeepsTheListedInputsInFloat32AndIntegersAsTheyAre) {
  const torch::Tensor t = torch::full({1}, 999.0);
  const torch::Tensor ids = torch::full({1}, 49407, torch::kInt64);
  auto program =
      load("def forward(self, x, t, ids):\n    return torch.cat([x, t.to(x.dtype) / 8 - 124, t, ids])", 3, kBFloat16);
  const torch::Tensor result = program.run({torch::zeros({1}), t, ids}, {1});
  EXPECT_EQ(result[2].item<float>(), 999.0F);
  EXPECT_EQ(result[3].item<float>(), 49407.0F);
  const torch::Tensor cast = program.run({torch::zeros({1}), t, ids});
  EXPECT_EQ(cast[2].item<float>(), 1000.0F);  // bfloat16 has 8 bits
}

TEST_F(TorchScriptRun, KnowsItsPlacement) {
  EXPECT_EQ(load("def forward(self, x):\n    return x", 1, kBFloat16).placement().dtype, torch::kBFloat16);
}

TEST_F(TorchScriptRun, NeverDropsOut) {
  auto program = load("def forward(self, x):\n    return torch.dropout(x, 0.5, self.training)", 1);
  EXPECT_TRUE(torch::equal(program.run({torch::ones({64})}), torch::ones({64})));
}

TEST_F(TorchScriptRun, GivesTheSameResultEveryTime) {
  auto program = load("def forward(self, x):\n    return torch.softmax(x.sin() * x.exp(), 0).cumsum(0)", 1);
  const torch::Tensor x = torch::linspace(-3, 3, 1000);
  const torch::Tensor first = program.run({x});
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(torch::equal(program.run({x}), first));
  }
}

TEST_F(TorchScriptRun, FailingProgramIsNamed) {
  auto program = load("def forward(self, x):\n    return torch.matmul(x, x)", 1);
  const std::string message = thrown<ModelError>([&] { program.run({torch::ones({2, 3})}); });
  EXPECT_THAT(message, AllOf(HasSubstr("program.pt' failed while running:"), HasSubstr("2x3"), Not(HasSubstr("\n"))));
}

TEST_F(TorchScriptRun, RaisingProgramIsNamed) {
  auto program = load("def forward(self, x):\n    assert x.numel() == 1, 'too long'\n    return x", 1);
  EXPECT_EQ(program.run({torch::ones({1})}).numel(), 1);
  EXPECT_THAT(thrown<ModelError>([&] { program.run({torch::ones({2})}); }),
              AllOf(HasSubstr("program.pt' failed while running"), HasSubstr("too long")));
}

TEST_F(TorchScriptRun, RefusesAnotherResultThanATensor) {
  auto program = load("def forward(self, x):\n    return [x, x]", 1);
  EXPECT_THAT(thrown<ModelError>([&] { program.run({torch::ones({1})}); }),
              HasSubstr("program.pt' must return a tensor, but returned "));
}

TEST_F(TorchScriptRun, OutOfMemoryIsReported) {
  auto program = load("def forward(self, x):\n    return x.expand(1 << 60).clone()", 1);
  const std::string message = thrown<MemoryError>([&] { program.run({torch::ones({1})}); });
  EXPECT_THAT(message, AllOf(HasSubstr("out of memory"), HasSubstr("program.pt")));
}

TEST_F(TorchScriptRun, ComparesTheShapeThatItProbes) {
  auto program = load("def forward(self, x):\n    return torch.avg_pool2d(x, [2, 2])", 1);
  EXPECT_NO_THROW(program.probe({torch::zeros({1, 3, 8, 8})}, {1, 3, 4, 4}));
  EXPECT_THAT(thrown<ModelError>([&] {
                program.probe({torch::zeros({1, 3, 8, 8})}, {1, 3, 2, 2});
              }),
              HasSubstr("program.pt' returned [1, 3, 4, 4] for inputs that should give [1, 3, 2, 2]"));
}

}  // namespace
}  // namespace fmboost
