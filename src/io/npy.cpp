#include "io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

constexpr std::string_view kNumpyMagic = "\x93NUMPY";
constexpr std::size_t kLongestHeader = std::size_t{1} << 16;
constexpr std::size_t kMostSides = 8;
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error("'" + name + "' " + what);
}

// The header is a Python dictionary literal: {'descr': '<f4', 'fortran_order': False, 'shape': (4, 8, 8), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      parse_field();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!text_.empty() || !dtype_ || !order_ || !shape_) {
      damaged();
    }
    return {.dtype = *dtype_, .shape = std::move(*shape_), .fortran_order = *order_};
  }

 private:
  [[noreturn]] void damaged() const { fail(name_, "is damaged: its npy header cannot be read"); }

  void skip_space() {
    const std::size_t first = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(std::min(first, text_.size()));
  }
  bool accept(char expected) {
    skip_space();
    if (text_.empty() || text_.front() != expected) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  void expect(char expected) {
    if (!accept(expected)) {
      damaged();
    }
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word)) {
      return false;
    }
    text_.remove_prefix(word.size());
    return true;
  }

  std::string_view parse_text() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') {
      expect('"');
    }
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) {
      damaged();
    }
    const std::string_view content = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return content;
  }

  void parse_field() {
    const std::string_view key = parse_text();
    expect(':');
    if (key == "descr" && !dtype_) {
      dtype_ = parse_dtype();
    } else if (key == "fortran_order" && !order_) {
      order_ = accept_word("True");
      if (!*order_ && !accept_word("False")) {
        damaged();
      }
    } else if (key == "shape" && !shape_) {
      shape_ = parse_shape();
    } else {
      damaged();
    }
  }

  torch::ScalarType parse_dtype() {
    skip_space();
    const bool is_text = text_.starts_with('\'') || text_.starts_with('"');
    const std::string descr = is_text ? std::string(parse_text()) : "a record";
    if (descr == "<f2" || descr == "<f4") {
      return descr == "<f2" ? torch::kFloat16 : torch::kFloat32;
    }
    fail(name_, "has elements of type " + descr + "; only little-endian float16 (<f2) and float32 (<f4) are supported");
  }

  std::vector<std::int64_t> parse_shape() {
    std::vector<std::int64_t> shape;
    std::int64_t elements = 1;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t side = -1;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), side);
      if (error != std::errc() || side < 0 || shape.size() == kMostSides) {
        damaged();
      }
      if (side > kMostElements / std::max<std::int64_t>(elements, 1)) {
        fail(name_, "is damaged: its npy header declares more elements than any file can hold");
      }
      elements *= side;
      shape.push_back(side);
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  std::optional<torch::ScalarType> dtype_;
  std::optional<bool> order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

std::size_t little_endian(std::string_view bytes) {
  std::size_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::size_t kPrefix = 8;  // magic and version
  if (text.size() < kPrefix + 2 || !text.starts_with(kNumpyMagic)) {
    fail(name, "is not an npy array");
  }
  const int version = static_cast<unsigned char>(text[6]);
  if (version < 1 || version > 3) {
    fail(name, "is an npy array of version " + std::to_string(version) + "; versions 1 to 3 are supported");
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t begin = kPrefix + length_bytes;
  const std::size_t length =
      text.size() < begin ? kLongestHeader + 1 : little_endian(text.substr(kPrefix, length_bytes));
  if (length > kLongestHeader || length > text.size() - begin) {
    fail(name, "is damaged: its npy header is longer than the file, or than any array needs");
  }
  NpyHeader header = HeaderParser(text.substr(begin, length), name).parse();
  header.data_offset = begin + length;
  const std::int64_t needed =
      c10::multiply_integers(header.shape) * static_cast<std::int64_t>(c10::elementSize(header.dtype));
  const auto found = static_cast<std::int64_t>(text.size() - header.data_offset);
  if (found != needed) {
    fail(name, "is damaged: its shape " + shape_text(header.shape) + " needs " + std::to_string(needed) +
                   " bytes of data, but it has " + std::to_string(found));
  }
  return header;
}

torch::Tensor read_npy(std::span<const std::byte> bytes, const std::string& name) {
  const NpyHeader header = parse_npy_header(bytes, name);
  std::vector<std::int64_t> sides = header.shape;
  if (header.fortran_order) {
    std::reverse(sides.begin(), sides.end());
  }
  torch::Tensor array = torch::empty(sides, header.dtype);
  if (array.numel() > 0) {
    std::memcpy(array.data_ptr(), bytes.data() + header.data_offset, array.nbytes());
  }
  if (header.fortran_order) {
    std::vector<std::int64_t> order(sides.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<std::int64_t>(order.size() - 1 - i);
    }
    array = array.permute(order).contiguous();
  }
  return array;
}

torch::Tensor read_npy_float(std::span<const std::byte> bytes, const std::string& name) {
  const NpyHeader header = parse_npy_header(bytes, name);
  const std::byte* data = bytes.data() + header.data_offset;
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % c10::elementSize(header.dtype) == 0;
  if (header.fortran_order || !aligned || bytes.size() == header.data_offset) {
    return read_npy(bytes, name).to(torch::kFloat32);
  }
  // The tensor over the bytes is only read.
  return at::from_blob(const_cast<std::byte*>(data), header.shape, header.dtype)
      .to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
}

std::vector<std::byte> write_npy(const torch::Tensor& tensor) {
  const auto dtype = tensor.scalar_type();
  if (dtype != torch::kFloat16 && dtype != torch::kFloat32) {
    throw UsageError(std::string("npy arrays are written as float16 or float32, not as ") + c10::toString(dtype));
  }
  std::string header = std::string("{'descr': '<") + (dtype == torch::kFloat16 ? "f2" : "f4") +
                       "', 'fortran_order': False, 'shape': " + shape_text(tensor.sizes()) + ", }";
  if (tensor.dim() > 0) {
    // numpy leaves room for the first dimension to grow to 21 digits.
    header.append(21 - std::to_string(tensor.size(0)).size(), ' ');
  }
  constexpr std::size_t kAlignment = 64;
  constexpr std::size_t kBegin = kNumpyMagic.size() + 4;
  header.append(kAlignment - (kBegin + header.size() + 1) % kAlignment, ' ');
  header += '\n';

  std::string prefix = std::string(kNumpyMagic) + '\x01' + '\0';
  prefix += static_cast<char>(header.size() & 0xff);
  prefix += static_cast<char>(header.size() >> 8);
  const std::string start = prefix + header;
  const torch::Tensor data = tensor.to(torch::kCPU).contiguous();
  std::vector<std::byte> bytes(start.size() + data.nbytes());
  std::memcpy(bytes.data(), start.data(), start.size());
  if (data.numel() > 0) {
    std::memcpy(bytes.data() + start.size(), data.data_ptr(), data.nbytes());
  }
  return bytes;
}

}  // namespace fmboost
