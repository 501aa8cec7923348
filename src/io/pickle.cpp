#include "io/pickle.h"

#include "io/pickle_machine.h"

namespace fmboost {

void Pickle::Machine::push_long(std::uint64_t count) {
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

void Pickle::Machine::remember(std::uint32_t slot) {
  if (stack.empty() || memo.size() >= kMaxObjects) {
    damaged();
  }
  memo[slot] = stack.back();
}

void Pickle::Machine::recall(std::uint32_t slot) {
  const auto found = memo.find(slot);
  if (found == memo.end()) {
    damaged();
  }
  stack.push_back(found->second);
  if (stack.size() > kMaxObjects) {
    damaged();
  }
}

bool Pickle::Machine::run_constant(unsigned char opcode) {
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

bool Pickle::Machine::run_container(unsigned char opcode) {
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

bool Pickle::Machine::run_other(unsigned char opcode) {
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

PickledValue Pickle::Machine::run() {
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

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& origin) {
  Machine machine(*this, bytes, origin);
  root_ = machine.run();
  size_ = machine.place;
}

Pickle::~Pickle() = default;

}  // namespace fmboost
