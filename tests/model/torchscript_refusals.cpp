#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/custom_class.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "model/torchscript.h"
#include "support/scripted_program.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using test::thrown;
using testing::AllOf;
using testing::HasSubstr;

class TorchScriptCheck : public testing::Test {
 protected:
  std::string refusal(std::size_t inputs = 1) const {
    return thrown<ModelError>([&] { check_torchscript(file_, inputs); });
  }
  std::string refusal_of(const std::vector<std::string>& methods) const {
    test::save_program(file_, methods);
    return refusal();
  }
  void write(const std::string& bytes) const { std::ofstream(file_, std::ios::binary) << bytes; }

  test::TemporaryFolder folder_;
  fs::path file_ = folder_ / "program.pt";
};

TEST_F(TorchScriptCheck, AcceptsTensorArithmetic) {
  test::save_program(file_, {R"(
def forward(self, x):
    total = x
    for i in range(3):
        if bool((total > 0).any()):
            total = torch.relu(total) + self.one.to(x.dtype) * i
    return torch.cat([total, x.permute(0, 1)], dim=1)
)"});
  EXPECT_NO_THROW(check_torchscript(file_, 1));
}

TEST_F(TorchScriptCheck, CountsInputsAndOutputs) {
  test::save_program(file_, {"def forward(self, x, y):\n    return x + y"});
  EXPECT_NO_THROW(check_torchscript(file_, 2));
  EXPECT_THAT(refusal(1), AllOf(HasSubstr("program.pt' must take 1 tensors"), HasSubstr("it takes 2")));
  EXPECT_THAT(refusal(3), HasSubstr("must take 3 tensors and return one; it takes 2"));
}

TEST_F(TorchScriptCheck, NeedsAForwardMethod) {
  EXPECT_THAT(refusal_of({"def run(self, x):\n    return x"}), HasSubstr("has no method 'forward'"));
}

struct Harm {
  const char* name;
  const char* code;
  const char* operators;
};

class Harmful : public TorchScriptCheck, public testing::WithParamInterface<Harm> {};

TEST_P(Harmful, OperatorIsRefusedByName) {
  const std::string message = refusal_of({std::string("def forward(self, x):\n") + GetParam().code + "\n    return x"});
  EXPECT_THAT(message, AllOf(HasSubstr("program.pt' is refused: a network may only compute with tensors"),
                             HasSubstr(GetParam().operators)));
}

INSTANTIATE_TEST_SUITE_P(
    TorchScript, Harmful,
    testing::Values(Harm{"Save", "    torch.save(x, '/tmp/file')", "aten::save"},
                    Harm{"FromFile", "    x = x + torch.from_file('/etc/passwd', False, 4)", "aten::from_file"},
                    Harm{"Print", "    print(x)", "prim::Print"},
                    Harm{"Format", "    print('{}'.format(x))", "aten::format"},
                    Harm{"Random", "    x = x + torch.rand([1])", "aten::rand"},
                    Harm{"Seed", "    torch.manual_seed(3)", "aten::manual_seed"},
                    Harm{"InABranch", "    if x.numel() > 4:\n        torch.save(x, 'f')", "aten::save"},
                    Harm{"InALoop", "    for i in range(3):\n        torch.save(x, 'f')", "aten::save"},
                    Harm{"SeveralAtOnce", "    torch.save(x, 'f')\n    print(1)", "aten::save, prim::Print"}),
    [](const auto& test) { return test.param.name; });

TEST_F(TorchScriptCheck, MethodsCalledByForwardAreChecked) {
  EXPECT_THAT(refusal_of({"def hide(self, x):\n    torch.save(x, 'f')\n    return x",
                          "def between(self, x):\n    return self.hide(x)",
                          "def forward(self, x):\n    return self.between(x)"}),
              HasSubstr("aten::save"));
}

TEST_F(TorchScriptCheck, NestedModulesAreChecked) {
  torch::jit::Module inner = test::scripted_module({"def forward(self, x):\n    print(x)\n    return x"});
  torch::jit::Module outer("Outer");
  outer.register_module("inner", inner);
  outer.define("def forward(self, x):\n    return self.inner.forward(x)\n");
  outer.save(file_.string());
  EXPECT_THAT(refusal(), HasSubstr("prim::Print"));
}

TEST_F(TorchScriptCheck, MethodsNeverCalledAreIgnored) {
  test::save_program(file_, {"def other(self, x):\n    print(x)\n    return x", "def forward(self, x):\n    return x"});
  EXPECT_NO_THROW(check_torchscript(file_, 1));
}

TEST_F(TorchScriptCheck, RefusesCodeThatWouldRunOnLoading) {
  const fs::path trace = folder_ / "trace";
  const std::string message =
      refusal_of({"def forward(self, x):\n    return x", "def __getstate__(self):\n    return 0",
                  "def __setstate__(self, state: int) -> None:\n    torch.save(state, '" + trace.string() + "')"});
  EXPECT_THAT(message, AllOf(HasSubstr("program.pt' is refused"), HasSubstr("__setstate__")));
  EXPECT_FALSE(fs::exists(trace));
}

/// A class of LibTorch's kind that notices when it is unpickled.
struct Watcher : torch::CustomClassHolder {
  static inline bool unpickled = false;
};
const auto watcher_class = torch::class_<Watcher>("fmboost_test", "Watcher")
                               .def(torch::init<>())
                               .def_pickle([](const c10::intrusive_ptr<Watcher>&) { return std::int64_t{1}; },
                                           [](std::int64_t) {
                                             Watcher::unpickled = true;
                                             return c10::make_intrusive<Watcher>();
                                           });

TEST_F(TorchScriptCheck, RefusesObjectsOfNativeClasses) {
  torch::jit::Module module = test::scripted_module({"def forward(self, x):\n    return x"});
  module.register_attribute("watcher", c10::getCustomClassType<c10::intrusive_ptr<Watcher>>(),
                            c10::make_intrusive<Watcher>());
  module.save(file_.string());
  EXPECT_THAT(refusal(), AllOf(HasSubstr("is refused"), HasSubstr("objects of LibTorch classes")));
  EXPECT_FALSE(Watcher::unpickled);
}

TEST_F(TorchScriptCheck, ForeignFilesAreRefused) {
  write("");
  EXPECT_THAT(refusal(), HasSubstr("program.pt' is not a TorchScript archive"));
  write("import os; os.system('true')");
  EXPECT_THAT(refusal(), HasSubstr("program.pt' is not a TorchScript archive"));
  write(std::string("\x80\x02}q\x00.", 6));
  EXPECT_THAT(refusal(), HasSubstr("is not a TorchScript archive"));
  file_ = folder_ / "absent.pt";
  EXPECT_THAT(refusal(), HasSubstr("absent.pt' is not a TorchScript archive"));
}

TEST_F(TorchScriptCheck, RefusesTruncatedArchives) {
  test::save_program(file_, {"def forward(self, x):\n    return x"});
  const std::string whole = read_text_file(file_);
  for (const std::size_t size : {std::size_t{4}, whole.size() / 3, whole.size() / 2, whole.size() - 1}) {
    write(whole.substr(0, size));
    EXPECT_THAT(refusal(), HasSubstr("program.pt' is not a TorchScript archive, or it is damaged")) << size;
  }
}

TEST_F(TorchScriptCheck, SurvivesFlippedBytes) {
  test::save_program(file_, {"def forward(self, x):\n    return x"});
  const std::string whole = read_text_file(file_);
  int refused = 0;
  for (std::size_t place = 7; place < whole.size(); place += whole.size() / 40) {
    std::string bytes = whole;
    bytes[place] = static_cast<char>(bytes[place] ^ 0x55);
    write(bytes);
    try {
      check_torchscript(file_, 1);  // a byte between the records changes nothing
    } catch (const ModelError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 5);
}

// LibTorch recognizes a second format by the bytes 4 to 7 of a file, where this program would not have looked for code.
TEST_F(TorchScriptCheck, ReadsArchivesOfOneFormatOnly) {
  test::save_program(file_, {"def forward(self, x):\n    return x"});
  write("0123PTMF" + read_text_file(file_));
  EXPECT_THAT(refusal(), HasSubstr("program.pt' "));
}

}  // namespace
}  // namespace fmboost
