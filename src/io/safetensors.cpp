#include "fmboost/io/safetensors.h"

#include <algorithm>
#include <cstring>

#include "fmboost/core/error.h"

#include "io/json_reader.h"
#include "io/safetensors_dtypes.h"

namespace fmboost {
namespace {

using nlohmann::json;

// The limit of the reference reader.
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 62;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw ModelError("'" + file.string() + "' is not a valid .safetensors file: " + what);
}

torch::ScalarType parse_stored_dtype(const std::filesystem::path& file, const std::string& tensor, const json& value) {
  const auto name = value.is_string() ? value.get<std::string>() : value.dump();
  if (const auto dtype = dtype_of_safetensors_name(name)) {
    return *dtype;
  }
  fail(file, "tensor '" + tensor + "' has the unknown dtype " + name);
}

SafetensorsFile::Entry parse_entry(const std::filesystem::path& file, const std::string& name, const json& value,
                                   std::size_t data_size) {
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets")) {
    fail(file, "tensor '" + name + "' needs dtype, shape and data_offsets");
  }
  SafetensorsFile::Entry entry{};
  entry.dtype = parse_stored_dtype(file, name, value["dtype"]);
  const auto is_count = [](const json& number) {
    return number.is_number_unsigned() && number.get<std::uint64_t>() <= (std::uint64_t{1} << 48);
  };
  const json& shape = value["shape"];
  const json& offsets = value["data_offsets"];
  if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), is_count) || !offsets.is_array() ||
      offsets.size() != 2 || !std::all_of(offsets.begin(), offsets.end(), is_count)) {
    fail(file, "tensor '" + name + "' has a shape or data_offsets that are not lists of sizes");
  }
  std::uint64_t bytes = c10::elementSize(entry.dtype);
  std::uint64_t stride = bytes;  // PyTorch counts empty dimensions as 1 in strides
  for (const auto& side : shape) {
    const auto size = side.get<std::uint64_t>();
    entry.shape.push_back(static_cast<std::int64_t>(size));
    bytes *= size;
    if (__builtin_mul_overflow(stride, std::max<std::uint64_t>(size, 1), &stride) || stride > kMaxBytes) {
      fail(file, "tensor '" + name + "' has an impossible shape " + shape.dump());
    }
  }
  entry.begin = offsets[0].get<std::size_t>();
  entry.end = offsets[1].get<std::size_t>();
  if (entry.begin > entry.end || entry.end > data_size) {
    fail(file, "tensor '" + name + "' refers to bytes " + offsets.dump() + " of a data section of " +
                   std::to_string(data_size) + " bytes; the file may be truncated");
  }
  if (entry.end - entry.begin != bytes) {
    fail(file, "tensor '" + name + "' of shape " + shape.dump() + " needs " + std::to_string(bytes) +
                   " bytes, its data_offsets hold " + std::to_string(entry.end - entry.begin));
  }
  return entry;
}

void check_coverage(const std::filesystem::path& file, const std::map<std::string, SafetensorsFile::Entry>& entries,
                    std::size_t data_size) {
  std::vector<std::pair<const std::string*, const SafetensorsFile::Entry*>> order;
  for (const auto& [name, entry] : entries) {
    order.emplace_back(&name, &entry);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  std::size_t position = 0;
  for (const auto& [name, entry] : order) {
    if (entry->begin != position) {
      fail(file,
           "tensor '" + *name + "' " + (entry->begin < position ? "overlaps another one" : "leaves a gap before it"));
    }
    position = entry->end;
  }
  if (position != data_size) {
    fail(file, "its tensors end at byte " + std::to_string(position) + " of a data section of " +
                   std::to_string(data_size) + " bytes");
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::filesystem::path file) : path_(std::move(file)) {
  try {
    mapping_ = std::make_shared<MappedFile>(path_);
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
  const auto bytes = mapping_->bytes();
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) {
    fail(path_, "it has only " + std::to_string(bytes.size()) + " bytes");
  }
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kMaxHeader || header_size > bytes.size() - sizeof header_size) {
    fail(path_, "it declares a header of " + std::to_string(header_size) + " bytes but has " +
                    std::to_string(bytes.size()) + " bytes in total");
  }
  data_begin_ = sizeof header_size + static_cast<std::size_t>(header_size);
  const std::size_t data_size = bytes.size() - data_begin_;
  const std::string_view header_text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_size,
                                     static_cast<std::size_t>(header_size));
  const JsonReader header = JsonReader::parse(header_text, path_.string() + "', 'header");
  for (const auto& [name, value] : header.value().items()) {
    if (name != "__metadata__") {
      entries_.emplace(name, parse_entry(path_, name, value, data_size));
      continue;
    }
    if (!value.is_object()) {
      fail(path_, "its __metadata__ is not an object");
    }
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        fail(path_, "its metadata '" + key + "' is not a string");
      }
      metadata_.emplace(key, text.get<std::string>());
    }
  }
  check_coverage(path_, entries_, data_size);
}

torch::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw ModelError("'" + path_.string() + "' has no tensor '" + name + "'");
  }
  const Entry& entry = found->second;
  const auto options = torch::TensorOptions().dtype(entry.dtype);
  if (entry.begin == entry.end) {
    return torch::empty(entry.shape, options);
  }
  const std::byte* address = bytes_of(entry).data();
  if (reinterpret_cast<std::uintptr_t>(address) % c10::elementSize(entry.dtype) != 0) {
    torch::Tensor copy = torch::empty(entry.shape, options);
    std::memcpy(copy.data_ptr(), address, entry.end - entry.begin);
    return copy;
  }
  return torch::from_blob(
      const_cast<std::byte*>(address), entry.shape, [keep = mapping_](void*) {}, options);
}

std::span<const std::byte> SafetensorsFile::bytes_of(const Entry& entry) const {
  return mapping_->bytes().subspan(data_begin_ + entry.begin, entry.end - entry.begin);
}

void SafetensorsFile::release(const std::string& name) const {
  if (const auto found = entries_.find(name); found != entries_.end()) {
    mapping_->release(bytes_of(found->second));
  }
}

}  // namespace fmboost
