#include "io/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

// A state dict with optimizer moments has some hundred thousand objects.
constexpr std::size_t kMaxObjects = 4'000'000;
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

struct Pickle::Machine {
  enum class Kind { other, integer, text, global, storage, tensor, sequence, dict, mark };

  struct Object {
    Kind kind = Kind::other;
    std::int64_t integer = 0;
    std::string text;  ///< also "module name" of a global
    std::vector<std::uint32_t> items = {};
    PickledStorage storage = {};
    std::unique_ptr<PickledTensor> tensor = {};
    PickledDict* dict = nullptr;
  };

  Machine(Pickle& owner, std::span<const std::byte> content, const std::string& name)
      : pickle(owner), bytes(content), origin(name) {}

  [[noreturn]] void fail(const std::string& what) const { throw ModelError("'" + origin + "' " + what); }
  [[noreturn]] void damaged() const { fail("is a damaged pickle (at byte " + std::to_string(place) + ")"); }

  // --- bytes

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes.size() - place) {
      damaged();
    }
    const auto part = bytes.subspan(place, count);
    place += count;
    return part;
  }
  template <typename Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof(Number)).data(), sizeof(Number));
    return value;
  }
  std::string text(std::uint64_t count) {
    const auto part = take(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::string line() {
    const auto rest = bytes.subspan(place);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    if (end == rest.end()) {
      damaged();
    }
    std::string result = text(static_cast<std::uint64_t>(end - rest.begin()));
    ++place;
    return result;
  }

  // --- objects and the stack

  std::uint32_t add(Object object) {
    if (objects.size() >= kMaxObjects) {
      fail("describes more objects than a state dict has");
    }
    objects.push_back(std::move(object));
    return static_cast<std::uint32_t>(objects.size() - 1);
  }
  void push(Object object) { stack.push_back(add(std::move(object))); }
  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value, .text = {}}); }
  void push_text(std::string value) { push({.kind = Kind::text, .text = std::move(value)}); }
  void push_dict() {
    pickle.dicts_.push_back(std::make_unique<PickledDict>());
    push({.kind = Kind::dict, .text = {}, .dict = pickle.dicts_.back().get()});
  }
  std::uint32_t pop() {
    if (stack.empty() || objects[stack.back()].kind == Kind::mark) {
      damaged();
    }
    const auto top = stack.back();
    stack.pop_back();
    return top;
  }
  Object& top() {
    if (stack.empty()) {
      damaged();
    }
    return objects[stack.back()];
  }
  std::vector<std::uint32_t> pop_to_mark() {
    std::size_t begin = stack.size();
    while (begin > 0 && objects[stack[begin - 1]].kind != Kind::mark) {
      --begin;
    }
    if (begin == 0) {
      damaged();
    }
    std::vector<std::uint32_t> items(stack.begin() + static_cast<std::ptrdiff_t>(begin), stack.end());
    stack.resize(begin - 1);
    return items;
  }
  void push_sequence(std::vector<std::uint32_t> items) {
    push({.kind = Kind::sequence, .text = {}, .items = std::move(items)});
  }
  void push_tuple(std::size_t count) {
    std::vector<std::uint32_t> items(count);
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
      *item = pop();
    }
    push_sequence(std::move(items));
  }

  // --- meaning

  // Counts what is copied out of the pickle, which references can multiply beyond its own size.
  void account(std::size_t characters) {
    copied += characters + 64;
    if (copied > kMaxCopied) {
      fail("describes more entries than a state dict has");
    }
  }

  PickledValue value_of(const Object& object) {
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

  void set_items(const std::vector<std::uint32_t>& pairs) {
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

  void append(const std::vector<std::uint32_t>& items) {
    Object& target = top();
    if (target.kind != Kind::sequence && target.kind != Kind::other) {
      damaged();
    }
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void push_global(const std::string& module, const std::string& name) {
    const std::string global = module + " " + name;
    if (!is_accepted(global)) {
      fail("is a pickle that asks for " + module + "." + name +
           ", which no state dict needs; nothing of it was run, and it is not read");
    }
    push({.kind = Kind::global, .text = global});
  }

  // (b'storage', type, key, location, elements[, view])
  void push_storage() {
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

  std::vector<std::int64_t> integers(std::uint32_t reference) const {
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

  // Every element of the tensor lies within its storage, and no storage is blown up by strides of 0.
  void check(const PickledTensor& tensor) const {
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

  void rebuild_tensor(const std::vector<std::uint32_t>& arguments) {
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

  // OrderedDict() or OrderedDict([(key, value), ...])
  void ordered_dict(const std::vector<std::uint32_t>& arguments) {
    push_dict();
    if (arguments.empty()) {
      return;
    }
    for (const auto pair : objects[arguments[0]].items) {
      set_items(objects[pair].items);
    }
  }

  void reduce() {
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

  void push_long(std::uint64_t count) {
    const auto part = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(part.size(), 8); ++i) {
      value |= static_cast<std::uint64_t>(part[i]) << (8 * i);
    }
    const std::size_t bits = 8 * part.size();
    if (bits > 0 && bits < 64 && (part.back() & std::byte{0x80}) != std::byte{0}) {
      value |= ~std::uint64_t{0} << bits;
    }
    part.size() > 8 ? push({}) : push_integer(static_cast<std::int64_t>(value));  // no size needs more
  }

  void remember(std::uint32_t slot) {
    if (stack.empty() || memo.size() >= kMaxObjects) {
      damaged();
    }
    memo[slot] = stack.back();
  }
  void recall(std::uint32_t slot) {
    const auto found = memo.find(slot);
    if (found == memo.end()) {
      damaged();
    }
    stack.push_back(found->second);
    if (stack.size() > kMaxObjects) {
      damaged();
    }
  }

  // Opcodes that push a constant or a text; false for others.
  bool run_constant(unsigned char opcode) {
    switch (opcode) {
      case 'N':   // None
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push({});
        return true;
      case 'G':  // BINFLOAT
        take(8);
        push({});
        return true;
      case 'J':
        push_integer(number<std::int32_t>());
        return true;
      case 'K':
        push_integer(number<std::uint8_t>());
        return true;
      case 'M':
        push_integer(number<std::uint16_t>());
        return true;
      case 0x8a:  // LONG1
        push_long(number<std::uint8_t>());
        return true;
      case 'X':  // BINUNICODE
        push_text(text(number<std::uint32_t>()));
        return true;
      case 0x8c:  // SHORT_BINUNICODE
        push_text(text(number<std::uint8_t>()));
        return true;
      case 'U':  // SHORT_BINSTRING
        push_text(text(number<std::uint8_t>()));
        return true;
      case 'T':  // BINSTRING
      case 'B':  // BINBYTES
        take(number<std::uint32_t>());
        push({});
        return true;
      case 'C':  // SHORT_BINBYTES
        take(number<std::uint8_t>());
        push({});
        return true;
      default:
        return false;
    }
  }

  // Opcodes that make or fill containers; false for others.
  bool run_container(unsigned char opcode) {
    switch (opcode) {
      case '(':
        push({.kind = Kind::mark, .text = {}});
        return true;
      case '}':
        push_dict();
        return true;
      case ']':
      case ')':
        push_sequence({});
        return true;
      case 't':
      case 'l':
        push_sequence(pop_to_mark());
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        push_tuple(opcode - 0x84U);
        return true;
      case 's': {
        const auto value = pop();
        const auto key = pop();
        set_items({key, value});
        return true;
      }
      case 'u':
        set_items(pop_to_mark());
        return true;
      case 'a':
        append({pop()});
        return true;
      case 'e':
        append(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  // The rest; false for opcodes that no state dict needs.
  bool run_other(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        return number<std::uint8_t>() <= 5;
      case 0x95:  // FRAME
        take(8);
        return true;
      case 'q':
        remember(number<std::uint8_t>());
        return true;
      case 'r':
        remember(number<std::uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        remember(static_cast<std::uint32_t>(memo.size()));
        return true;
      case 'h':
        recall(number<std::uint8_t>());
        return true;
      case 'j':
        recall(number<std::uint32_t>());
        return true;
      case 'c': {
        const std::string module = line();
        push_global(module, line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::string name = objects[pop()].text;
        push_global(objects[pop()].text, name);
        return true;
      }
      case 'Q':
        push_storage();
        return true;
      case 'R':
      case 0x81:  // NEWOBJ
        reduce();
        return true;
      case 'b':  // BUILD: attributes of an object, such as a state dict's versions
        pop();
        top();
        return true;
      default:
        return false;
    }
  }

  PickledValue run() {
    while (true) {
      const auto opcode = number<unsigned char>();
      if (opcode == '.') {
        return value_of(objects[pop()]);
      }
      if (!run_constant(opcode) && !run_container(opcode) && !run_other(opcode)) {
        fail(c10::str("is a pickle with the opcode ", static_cast<int>(opcode), " at byte ", place - 1,
                      ", which no state dict has"));
      }
    }
  }

  Pickle& pickle;
  std::span<const std::byte> bytes;
  const std::string& origin;
  std::size_t place = 0;
  std::size_t copied = 0;
  std::deque<Object> objects;
  std::vector<std::uint32_t> stack;
  std::unordered_map<std::uint32_t, std::uint32_t> memo;
};

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& origin) {
  Machine machine(*this, bytes, origin);
  root_ = machine.run();
  size_ = machine.place;
}

Pickle::~Pickle() = default;

}  // namespace fmboost
