#include "io/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "io/torch_file.h"
#include "support/temporary_folder.h"
#include "support/thrown.h"

namespace fmboost {
namespace {

using test::thrown;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::string_literals;

// What torch.save writes, opcode by opcode (pickletools.dis shows them).
namespace op {
const std::string kStart = "\x80\x02"s;
const std::string kEmptyDict = "}"s, kMark = "("s, kTuple = "t"s, kReduce = "R"s, kSetItem = "s"s, kStop = "."s,
                  kPersistent = "Q"s, kFalse = "\x89"s;

std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string text(const std::string& value) {
  return "X"s + static_cast<char>(value.size()) + "\0\0\0"s + value;
}
std::string integer(std::int32_t value) {
  return "J"s + std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string tuple(const std::string& items) {
  return kMark + items + kTuple;
}
std::string storage(const std::string& type, std::int32_t elements) {
  return tuple(text("storage") + global("torch", type) + text("0") + text("cpu") + integer(elements)) + kPersistent;
}
const std::string kOrderedDict = global("collections", "OrderedDict") + ")" + kReduce;

std::string tensor(std::int32_t elements, std::int32_t offset, const std::vector<std::int32_t>& shape,
                   const std::vector<std::int32_t>& strides) {
  std::string sizes, steps;
  for (const auto side : shape) {
    sizes += integer(side);
  }
  for (const auto step : strides) {
    steps += integer(step);
  }
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage("HalfStorage", elements) + integer(offset) + tuple(sizes) + tuple(steps) + kFalse +
               kOrderedDict) +
         kReduce;
}
}  // namespace op

std::string state_dict(const std::string& value) {
  return op::kStart + op::kOrderedDict + op::text("conv.weight") + value + op::kSetItem + op::kStop;
}

PickledValue only_value(const std::string& bytes) {
  const Pickle pickle(as_bytes(bytes), "model.pth");
  const auto& dict = *std::get<const PickledDict*>(pickle.root());
  EXPECT_EQ(dict.entries.size(), 1U);
  EXPECT_EQ(dict.entries.front().first, "conv.weight");
  return dict.entries.front().second;
}

std::string refusal(const std::string& bytes) {
  return thrown<ModelError>([&] { Pickle(as_bytes(bytes), "model.pth"); });
}

TEST(Pickle, DescribesTheTensorsOfAStateDict) {
  const auto tensor = std::get<PickledTensor>(only_value(state_dict(op::tensor(20, 2, {3, 4}, {6, 1}))));
  EXPECT_EQ(tensor.storage.key, "0");
  EXPECT_EQ(tensor.storage.dtype, torch::kFloat16);
  EXPECT_EQ(tensor.storage.elements, 20);
  EXPECT_EQ(tensor.offset, 2);
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(tensor.strides, (std::vector<std::int64_t>{6, 1}));
}

TEST(Pickle, ReadsParametersAsTheirTensors) {
  const std::string parameter = op::global("torch._utils", "_rebuild_parameter") +
                                op::tuple(op::tensor(4, 0, {4}, {1}) + op::kFalse + op::kOrderedDict) + op::kReduce;
  EXPECT_EQ(std::get<PickledTensor>(only_value(state_dict(parameter))).shape, std::vector<std::int64_t>{4});
}

TEST(Pickle, IgnoresNumbersAndWhatOtherLibrariesStoreBesideTheTensors) {
  const std::string scalar = op::global("numpy.core.multiarray", "scalar") + op::tuple(op::integer(1)) + op::kReduce;
  EXPECT_TRUE(std::holds_alternative<PickledOther>(only_value(state_dict(scalar))));
  EXPECT_TRUE(std::holds_alternative<PickledOther>(only_value(state_dict(op::integer(7)))));
  EXPECT_EQ(std::get<std::string>(only_value(state_dict(op::text("latest")))), "latest");
  EXPECT_EQ(std::get<PickledTexts>(only_value(state_dict(op::tuple(op::text("a") + op::text("b"))))),
            (PickledTexts{"a", "b"}));
}

TEST(Pickle, RefusesEverythingThatCouldRunCodeByName) {
  const std::string call = op::global("os", "system") + op::tuple(op::text("touch /tmp/pwned")) + op::kReduce;
  EXPECT_THAT(refusal(state_dict(call)), AllOf(HasSubstr("'model.pth'"), HasSubstr("os.system"), HasSubstr("was run")));
  EXPECT_THAT(refusal(state_dict(op::global("builtins", "eval"))), HasSubstr("builtins.eval"));
  EXPECT_THAT(refusal(op::kStart + op::text("os") + op::text("system") + "\x93" + op::kStop), HasSubstr("os.system"));
  EXPECT_THAT(refusal(op::kStart + "ios\nsystem\n" + op::kStop), HasSubstr("opcode 105"));  // INST
}

TEST(Pickle, RefusesTensorsBeyondTheirStorage) {
  for (const auto& tensor :
       {op::tensor(20, 0, {21}, {1}), op::tensor(20, 1, {20}, {1}), op::tensor(20, 0, {3, 4}, {10, 1}),
        op::tensor(20, 0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}), op::tensor(20, 0, {30}, {0}),
        op::tensor(20, 0, {2, 2}, {1})}) {
    EXPECT_THAT(refusal(state_dict(tensor)), HasSubstr("beyond its storage"));
  }
  EXPECT_THAT(refusal(state_dict(op::tensor(20, 0, {-1}, {1}))), HasSubstr("damaged"));
  EXPECT_THAT(refusal(state_dict(op::tensor(-1, 0, {1}, {1}))), HasSubstr("damaged"));
}

TEST(Pickle, RefusesEveryTruncation) {
  const std::string whole = state_dict(op::tensor(20, 2, {3, 4}, {6, 1}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(whole.substr(0, size)), HasSubstr("model.pth"));
  }
}

TEST(Pickle, SurvivesEveryChangedByte) {
  const std::string whole = state_dict(op::tensor(20, 2, {3, 4}, {6, 1}));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char byte : {'\0', '\x7f', '\xff', 'R', 'u', 't', '.', 'h', 'q'}) {
      std::string changed = whole;
      changed[i] = byte;
      try {
        Pickle(as_bytes(changed), "model.pth");
      } catch (const ModelError&) {  // most of them; no other error may come
      }
    }
  }
}

TEST(TorchFile, RefusesDictsThatHoldThemselvesManyTimes) {
  std::string bytes = op::kStart + op::kEmptyDict + "q\x01"s;
  for (int i = 0; i < 200; ++i) {
    bytes += op::text(std::to_string(i)) + "h\x01"s + op::kSetItem;
  }
  const test::TemporaryFolder folder;
  const std::string number = op::kStart + "\x8a\x0a"s + "0123456789" + op::kStop;  // the magic number, by length alone
  std::string file = number + number + number + bytes + op::kStop + op::kStart + ")" + op::kStop;
  write_file_atomically(folder.path() / "loop.pth", as_bytes(file));
  EXPECT_TRUE(TorchFile::is_one(folder.path() / "loop.pth"));
  EXPECT_THAT(thrown<ModelError>([&] { TorchFile(folder.path() / "loop.pth"); }), HasSubstr("nests more dicts"));
}

TEST(TorchFile, RefusesArchivesOfOtherPrograms) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder.path() / "a.zip", as_bytes("PK\x03\x04 and no more"s));
  EXPECT_TRUE(TorchFile::is_one(folder.path() / "a.zip"));
  EXPECT_THAT(thrown<ModelError>([&] { TorchFile(folder.path() / "a.zip"); }), HasSubstr("damaged PyTorch file"));
  write_file_atomically(folder.path() / "text.pth", as_bytes("no tensors"s));
  EXPECT_FALSE(TorchFile::is_one(folder.path() / "text.pth"));
  EXPECT_FALSE(TorchFile::is_one(folder.path() / "missing.pth"));
}

}  // namespace
}  // namespace fmboost
