#include "io/torch_file.h"

#include <array>
#include <caffe2/serialize/inline_container.h>
#include <cstring>
#include <fstream>
#include <memory>
#include <unordered_map>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

namespace fmboost {
namespace {

using caffe2::serialize::PyTorchStreamReader;

// That of a whole Stable Diffusion checkpoint with its optimizer takes about a megabyte.
constexpr std::size_t kMaxPickleBytes = std::size_t{64} << 20;
constexpr int kMaxDepth = 6;
constexpr std::size_t kMaxVisits = 1'000'000;  // dicts may hold themselves

// The first four bytes: a zip archive's, or a pickle of protocol 2 that begins with a number of ten bytes.
constexpr std::array<unsigned char, 4> kZip = {'P', 'K', 3, 4};
constexpr std::array<unsigned char, 4> kLegacy = {0x80, 2, 0x8a, 10};

std::array<unsigned char, 4> first_bytes(const std::filesystem::path& file) {
  std::array<unsigned char, 4> bytes{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
  return bytes;
}

// c10's messages carry a stack trace after the first line.
template <typename Work>
auto with_plain_errors(const std::filesystem::path& file, const Work& work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    throw ModelError("'" + file.string() + "' is a damaged PyTorch file: " + error.what_without_backtrace());
  }
}

}  // namespace

bool TorchFile::is_one(const std::filesystem::path& file) {
  const auto bytes = first_bytes(file);
  return bytes == kZip || bytes == kLegacy;
}

TorchFile::TorchFile(const std::filesystem::path& file) : path_(file) {
  first_bytes(file) == kZip ? open_archive() : open_legacy();
}

void TorchFile::open_archive() {
  const auto reader = with_plain_errors(path_, [&] { return std::make_shared<PyTorchStreamReader>(path_.string()); });
  const auto pickle = with_plain_errors(path_, [&] {
    if (!reader->hasRecord("data.pkl")) {
      throw ModelError("'" + path_.string() + "' is a zip archive, but none of torch.save: it has no data.pkl");
    }
    if (reader->getRecordSize("data.pkl") > kMaxPickleBytes) {
      throw ModelError("'" + path_.string() + "' has a pickle of more than 64 MiB, which no state dict needs");
    }
    if (reader->hasRecord("byteorder")) {
      const auto [order, size] = reader->getRecord("byteorder");
      if (std::string(static_cast<const char*>(order.get()), size) != "little") {
        throw ModelError("'" + path_.string() + "' was written on a big-endian machine; save it again on another");
      }
    }
    const auto [data, size] = reader->getRecord("data.pkl");
    return std::make_unique<Pickle>(std::span(static_cast<const std::byte*>(data.get()), size), path_.string());
  });
  flatten(pickle->root(), "", 0);
  read_storage_ = [reader, path = path_](const PickledStorage& storage) {
    return with_plain_errors(path, [&] {
      const std::string record = "data/" + storage.key;
      const auto bytes = storage.elements * static_cast<std::int64_t>(c10::elementSize(storage.dtype));
      if (!reader->hasRecord(record) || static_cast<std::int64_t>(reader->getRecordSize(record)) < bytes) {
        throw ModelError("'" + path.string() + "' lacks the data of storage " + storage.key + ": it is incomplete");
      }
      auto [data, size] = reader->getRecord(record);
      const auto owner = std::make_shared<at::DataPtr>(std::move(data));
      return torch::from_blob(
          owner->get(), {static_cast<std::int64_t>(size)}, [owner](void*) {}, torch::kUInt8);
    });
  };
}

// Five pickles (magic number, protocol, system, state dict, keys of the storages), then each storage: its number of
// elements and its bytes. Source: torch/serialization.py, _legacy_save.
void TorchFile::open_legacy() {
  const auto mapping = std::make_shared<MappedFile>(path_);
  auto rest = mapping->bytes();
  std::vector<std::unique_ptr<Pickle>> pickles;
  for (int i = 0; i < 5; ++i) {
    pickles.push_back(std::make_unique<Pickle>(rest.first(std::min(rest.size(), kMaxPickleBytes)), path_.string()));
    rest = rest.subspan(pickles.back()->size());
  }
  flatten(pickles[3]->root(), "", 0);
  std::unordered_map<std::string, torch::ScalarType> dtypes;
  for (const auto& [name, tensor] : entries_) {
    dtypes.emplace(tensor.storage.key, tensor.storage.dtype);
  }
  const auto* keys = std::get_if<PickledTexts>(&pickles[4]->root());
  auto storages = std::make_shared<std::unordered_map<std::string, std::span<const std::byte>>>();
  for (const auto& key : keys != nullptr ? *keys : PickledTexts()) {
    const auto dtype = dtypes.find(key);
    std::uint64_t elements = 0;
    if (rest.size() < sizeof(elements) || dtype == dtypes.end()) {
      break;  // the storages behind one of no tensor cannot be found; a tensor that needs them says so
    }
    std::memcpy(&elements, rest.data(), sizeof(elements));
    const std::uint64_t width = c10::elementSize(dtype->second);
    if (elements > (rest.size() - sizeof(elements)) / width) {
      break;
    }
    storages->emplace(key, rest.subspan(sizeof(elements), elements * width));
    rest = rest.subspan(sizeof(elements) + elements * width);
  }
  read_storage_ = [mapping, storages, path = path_](const PickledStorage& storage) {
    const auto found = storages->find(storage.key);
    const auto bytes = storage.elements * static_cast<std::int64_t>(c10::elementSize(storage.dtype));
    if (found == storages->end() || static_cast<std::int64_t>(found->second.size()) < bytes) {
      throw ModelError("'" + path.string() + "' lacks the data of storage " + storage.key + ": it is incomplete");
    }
    torch::Tensor copy = torch::empty({static_cast<std::int64_t>(found->second.size())}, torch::kUInt8);
    std::memcpy(copy.data_ptr(), found->second.data(), found->second.size());
    return copy;
  };
}

void TorchFile::flatten(const PickledValue& value, const std::string& name, int depth) {
  if (++visits_ > kMaxVisits) {
    throw ModelError("'" + path_.string() + "' nests more dicts than a state dict has");
  }
  if (const auto* tensor = std::get_if<PickledTensor>(&value)) {
    entries_.insert_or_assign(name, *tensor);
  } else if (const auto* dict = std::get_if<const PickledDict*>(&value); dict != nullptr && depth < kMaxDepth) {
    for (const auto& [key, inner] : (*dict)->entries) {
      flatten(inner, name.empty() ? key : name + "." + key, depth + 1);
    }
  }
}

torch::Tensor TorchFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw ModelError("'" + path_.string() + "' has no tensor '" + name + "'");
  }
  const PickledTensor& entry = found->second;
  const auto width = static_cast<std::int64_t>(c10::elementSize(entry.storage.dtype));
  const torch::Tensor bytes = read_storage_(entry.storage).narrow(0, 0, entry.storage.elements * width);
  return bytes.view(entry.storage.dtype).as_strided(entry.shape, entry.strides, entry.offset).contiguous();
}

}  // namespace fmboost
