// What the objects of a pickle mean: dicts, storages, tensors, and the globals that are accepted.
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "io/pickle_machine.h"

namespace fmboost {
namespace {

constexpr std::size_t kMaxDimensions = 16;
constexpr std::size_t kMaxCopied = std::size_t{1} << 29;

const std::map<std::string, torch::ScalarType, std::less<>>& storage_dtypes() {
  static const std::map<std::string, torch::ScalarType, std::less<>> dtypes = {
      {"torch FloatStorage", torch::kFloat32},        {"torch HalfStorage", torch::kFloat16},
      {"torch BFloat16Storage", torch::kBFloat16},    {"torch DoubleStorage", torch::kFloat64},
      {"torch LongStorage", torch::kInt64},           {"torch IntStorage", torch::kInt32},
      {"torch ShortStorage", torch::kInt16},          {"torch CharStorage", torch::kInt8},
      {"torch ByteStorage", torch::kUInt8},           {"torch BoolStorage", torch::kBool},
      {"torch.storage UntypedStorage", torch::kUInt8}};
  return dtypes;
}

const std::map<std::string, torch::ScalarType, std::less<>>& named_dtypes() {
  static const std::map<std::string, torch::ScalarType, std::less<>> dtypes = {
      {"torch float32", torch::kFloat32},
      {"torch float16", torch::kFloat16},
      {"torch bfloat16", torch::kBFloat16},
      {"torch float64", torch::kFloat64},
      {"torch int64", torch::kInt64},
      {"torch int32", torch::kInt32},
      {"torch int16", torch::kInt16},
      {"torch int8", torch::kInt8},
      {"torch uint8", torch::kUInt8},
      {"torch bool", torch::kBool},
      {"torch float8_e4m3fn", torch::kFloat8_e4m3fn},
      {"torch float8_e5m2", torch::kFloat8_e5m2}};
  return dtypes;
}

// Their values are of no use here, and nothing of theirs is run: calls of them give PickledOther.
constexpr std::array<std::string_view, 10> kIgnoredGlobals = {
    "numpy.core.multiarray scalar",
    "numpy._core.multiarray scalar",
    "numpy dtype",
    "_codecs encode",
    "torch device",
    "torch.serialization _get_layout",
    "pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint",
    "lightning.pytorch.callbacks.model_checkpoint ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping EarlyStopping",
    "collections Counter"};

constexpr std::array<std::string_view, 6> kRebuilders = {
    "collections OrderedDict",         "torch._utils _rebuild_tensor",    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter", "torch Size"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_accepted(const std::string& global) {
  return storage_dtypes().contains(global) || named_dtypes().contains(global) || contains(kIgnoredGlobals, global) ||
         contains(kRebuilders, global);
}

}  // namespace

void Pickle::Machine::account(std::size_t characters) {
  copied += characters + 64;
  if (copied > kMaxCopied) {
    fail("describes more entries than a state dict has");
  }
}

PickledValue Pickle::Machine::value_of(const Object& object) {
  switch (object.kind) {
    case Kind::text:
      account(object.text.size());
      return object.text;
    case Kind::sequence: {
      PickledTexts texts;
      for (const auto item : object.items) {
        if (objects[item].kind != Kind::text) {
          return PickledOther{};
        }
        account(objects[item].text.size());
        texts.push_back(objects[item].text);
      }
      return texts;
    }
    case Kind::tensor:
      return *object.tensor;
    case Kind::dict:
      return static_cast<const PickledDict*>(object.dict);
    default:
      return PickledOther{};
  }
}

void Pickle::Machine::set_items(const std::vector<std::uint32_t>& pairs) {
  if (pairs.size() % 2 != 0) {
    damaged();
  }
  Object& target = top();
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    const Object& key = objects[pairs[i]];
    if (target.kind == Kind::dict && key.kind == Kind::text) {
      account(key.text.size());
      target.dict->entries.emplace_back(key.text, value_of(objects[pairs[i + 1]]));
    }
  }
  if (target.kind != Kind::dict && target.kind != Kind::other) {
    damaged();
  }
}

void Pickle::Machine::append(const std::vector<std::uint32_t>& items) {
  Object& target = top();
  if (target.kind != Kind::sequence && target.kind != Kind::other) {
    damaged();
  }
  target.items.insert(target.items.end(), items.begin(), items.end());
}

void Pickle::Machine::push_global(const std::string& module, const std::string& name) {
  const std::string global = module + " " + name;
  if (!is_accepted(global)) {
    fail("is a pickle that asks for " + module + "." + name +
         ", which no state dict needs; nothing of it was run, and it is not read");
  }
  push({.kind = Kind::global, .text = global});
}

void Pickle::Machine::push_storage() {
  const Object& id = objects[pop()];
  if (id.kind != Kind::sequence || id.items.size() < 5 || objects[id.items[0]].text != "storage") {
    damaged();
  }
  const Object& type = objects[id.items[1]];
  const Object& key = objects[id.items[2]];
  const Object& elements = objects[id.items[4]];
  const auto dtype = storage_dtypes().find(type.text);
  if (type.kind != Kind::global || dtype == storage_dtypes().end() || key.kind != Kind::text ||
      elements.kind != Kind::integer || elements.integer < 0) {
    damaged();
  }
  push({.kind = Kind::storage,
        .text = {},
        .storage = {.key = key.text, .dtype = dtype->second, .elements = elements.integer}});
}

std::vector<std::int64_t> Pickle::Machine::integers(std::uint32_t reference) const {
  const Object& sequence = objects[reference];
  if (sequence.kind != Kind::sequence || sequence.items.size() > kMaxDimensions) {
    damaged();
  }
  std::vector<std::int64_t> result;
  for (const auto item : sequence.items) {
    if (objects[item].kind != Kind::integer || objects[item].integer < 0) {
      damaged();
    }
    result.push_back(objects[item].integer);
  }
  return result;
}

void Pickle::Machine::check(const PickledTensor& tensor) const {
  std::int64_t count = 1;
  std::int64_t last = tensor.offset;
  bool overflow = tensor.offset < 0 || tensor.shape.size() != tensor.strides.size();
  for (std::size_t i = 0; !overflow && i < tensor.shape.size(); ++i) {
    std::int64_t reach = 0;
    overflow = __builtin_mul_overflow(count, tensor.shape[i], &count) ||
               __builtin_mul_overflow(std::max<std::int64_t>(tensor.shape[i] - 1, 0), tensor.strides[i], &reach) ||
               __builtin_add_overflow(last, reach, &last);
  }
  if (overflow || (count > 0 && (last >= tensor.storage.elements || count > tensor.storage.elements))) {
    fail("describes a tensor that reaches beyond its storage");
  }
}

void Pickle::Machine::rebuild_tensor(const std::vector<std::uint32_t>& arguments) {
  if (arguments.size() < 4 || objects[arguments[0]].kind != Kind::storage ||
      objects[arguments[1]].kind != Kind::integer) {
    damaged();
  }
  auto tensor = std::make_unique<PickledTensor>(PickledTensor{.storage = objects[arguments[0]].storage,
                                                              .offset = objects[arguments[1]].integer,
                                                              .shape = integers(arguments[2]),
                                                              .strides = integers(arguments[3])});
  // _rebuild_tensor_v3: bytes, and the type that they are of.
  if (arguments.size() > 6) {
    if (const auto dtype = named_dtypes().find(objects[arguments[6]].text); dtype != named_dtypes().end()) {
      tensor->storage.dtype = dtype->second;
      tensor->storage.elements /= static_cast<std::int64_t>(c10::elementSize(dtype->second));
    }
  }
  check(*tensor);
  push({.kind = Kind::tensor, .text = {}, .tensor = std::move(tensor)});
}

void Pickle::Machine::ordered_dict(const std::vector<std::uint32_t>& arguments) {
  push_dict();
  if (arguments.empty()) {
    return;
  }
  for (const auto pair : objects[arguments[0]].items) {
    set_items(objects[pair].items);
  }
}

void Pickle::Machine::reduce() {
  const auto arguments_reference = pop();
  const auto callable = pop();
  if (objects[callable].kind != Kind::global || objects[arguments_reference].kind != Kind::sequence) {
    damaged();
  }
  const std::string function = objects[callable].text;
  const std::vector<std::uint32_t> arguments = objects[arguments_reference].items;
  if (function == "collections OrderedDict") {
    ordered_dict(arguments);
  } else if (function.starts_with("torch._utils _rebuild_tensor")) {
    rebuild_tensor(arguments);
  } else if (!arguments.empty() && (function == "torch Size" || function == "torch._utils _rebuild_parameter")) {
    stack.push_back(arguments[0]);
  } else if (contains(kIgnoredGlobals, function)) {
    push({});
  } else {
    damaged();
  }
}

}  // namespace fmboost
