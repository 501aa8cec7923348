#include "io/safetensors_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"
#include "fmboost/io/safetensors.h"
#include "fmboost/io/sha256.h"

#include "io/safetensors_dtypes.h"

namespace fmboost {
namespace {

using nlohmann::json;

// By descending dtype size, then name, so that every tensor is aligned.
void sort_for_layout(const std::filesystem::path& file, std::vector<DeferredTensor>& tensors) {
  std::set<std::string> names{"__metadata__"};
  for (const auto& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw Error("'" + file.string() + "' cannot be written: the tensor name '" + tensor.name + "' occurs twice");
    }
  }
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(-static_cast<int>(c10::elementSize(a.dtype)), a.name) <
           std::pair(-static_cast<int>(c10::elementSize(b.dtype)), b.name);
  });
}

std::string header_of(const std::vector<DeferredTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) {
    header["__metadata__"] = metadata;
  }
  std::size_t position = 0;
  for (const auto& [name, dtype, shape, make] : tensors) {
    const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(shape)) * c10::elementSize(dtype);
    header[name] = {
        {"dtype", safetensors_name_of(dtype)}, {"shape", shape}, {"data_offsets", {position, position + bytes}}};
    position += bytes;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

torch::Tensor make_dense(const DeferredTensor& wanted) {
  const torch::Tensor tensor = wanted.make().detach();
  if (tensor.scalar_type() != wanted.dtype || tensor.sizes() != wanted.shape) {
    throw Error(c10::str("tensor '", wanted.name, "' was declared as ", wanted.dtype, " ",
                         c10::IntArrayRef(wanted.shape), " but is ", tensor.scalar_type(), " ", tensor.sizes()));
  }
  return tensor.to(torch::kCPU).contiguous();
}

}  // namespace

std::string write_safetensors_one_by_one(const std::filesystem::path& file, std::vector<DeferredTensor> tensors,
                                         const std::map<std::string, std::string>& metadata) {
  sort_for_layout(file, tensors);
  const std::string header = header_of(tensors, metadata);
  const std::uint64_t header_size = header.size();
  AtomicFile out(file);
  Sha256 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    out.write(bytes);
  };
  write(std::as_bytes(std::span(&header_size, 1)));
  write(as_bytes(header));
  for (const auto& tensor : tensors) {
    const torch::Tensor dense = make_dense(tensor);
    write({static_cast<const std::byte*>(dense.data_ptr()), dense.nbytes()});
  }
  out.commit();
  return hash.digest();
}

void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<DeferredTensor> deferred;
  for (const auto& [name, tensor] : tensors) {
    deferred.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), [&tensor = tensor] { return tensor; }});
  }
  write_safetensors_one_by_one(file, std::move(deferred), metadata);
}

}  // namespace fmboost
