#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "fmboost/core/error.h"

#include "io/pickle.h"

namespace fmboost {

/// The stack machine that a pickle is a program of. Objects lie in one list and refer to each other by index, so that
/// neither nesting nor cycles can overflow anything.
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
  void account(std::size_t characters);

  PickledValue value_of(const Object& object);

  void set_items(const std::vector<std::uint32_t>& pairs);

  void append(const std::vector<std::uint32_t>& items);

  void push_global(const std::string& module, const std::string& name);

  // (b'storage', type, key, location, elements[, view])
  void push_storage();

  std::vector<std::int64_t> integers(std::uint32_t reference) const;

  // Every element of the tensor lies within its storage, and no storage is blown up by strides of 0.
  void check(const PickledTensor& tensor) const;

  void rebuild_tensor(const std::vector<std::uint32_t>& arguments);

  // OrderedDict() or OrderedDict([(key, value), ...])
  void ordered_dict(const std::vector<std::uint32_t>& arguments);

  void reduce();

  void push_long(std::uint64_t count);

  void remember(std::uint32_t slot);

  void recall(std::uint32_t slot);

  // Opcodes that push a constant or a text; false for others.
  bool run_constant(unsigned char opcode);

  // Opcodes that make or fill containers; false for others.
  bool run_container(unsigned char opcode);

  // The rest; false for opcodes that no state dict needs.
  bool run_other(unsigned char opcode);

  PickledValue run();

  Pickle& pickle;
  std::span<const std::byte> bytes;
  const std::string& origin;
  std::size_t place = 0;
  std::size_t copied = 0;
  std::deque<Object> objects;
  std::vector<std::uint32_t> stack;
  std::unordered_map<std::uint32_t, std::uint32_t> memo;

  // A state dict with optimizer moments has some hundred thousand objects.
  static constexpr std::size_t kMaxObjects = 4'000'000;
};

}  // namespace fmboost
