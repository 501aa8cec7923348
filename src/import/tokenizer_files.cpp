#include "import/tokenizer_files.h"

#include <algorithm>
#include <limits>

#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

#include "io/json_reader.h"
#include "io/shared_data.h"

namespace fmboost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";
constexpr std::size_t kLargestFile = std::size_t{64} << 20;
// transformers writes 10^30 for no limit.
constexpr double kNoLimit = 1e9;

JsonReader read_json(const fs::path& file) {
  return JsonReader::parse(read_text_file(file, kLargestFile), file.string());
}

// tokenizer.json, the only file that newer libraries write.
void read_fast(const fs::path& file, json& vocab, std::string& merges) {
  const JsonReader content = read_json(file);
  const JsonReader model = content.object("model");
  if (model.get<std::string>("type") != "BPE") {
    model.fail("type", "\"BPE\", the byte-pair encoding of CLIP");
  }
  vocab = model.object("vocab").value();
  for (const auto& token : content.objects("added_tokens")) {
    vocab.emplace(token.get<std::string>("content"), token.get<std::int64_t>("id"));
  }
  const json& pairs = model.value().value("merges", json::array());
  merges = "#version: 0.2\n";
  for (const auto& pair : pairs) {
    const bool joined = pair.is_string();
    const bool two = pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (!joined && !two) {
      model.fail("merges", "a list of pairs of tokens");
    }
    merges += (joined ? pair.get<std::string>() : pair[0].get<std::string>() + " " + pair[1].get<std::string>()) + "\n";
  }
}

std::int64_t id_of(const json& vocab, const std::string& token, const fs::path& folder) {
  const auto found = vocab.find(token);
  if (found == vocab.end()) {
    throw ModelError("'" + folder.string() + "' contains no CLIP vocabulary: the token is missing: " + token);
  }
  return found->get<std::int64_t>();
}

void read_settings(const fs::path& file, const json& vocab, TokenizerFiles& files) {
  const json settings = read_json(file).value();
  if (const json length = settings.value("model_max_length", json()); length.is_number()) {
    if (length.get<double>() > 0 && length.get<double>() < kNoLimit) {
      files.max_length = length.get<std::int64_t>();
    }
  }
  json pad = settings.value("pad_token", json());
  if (pad.is_object()) {
    pad = pad.value("content", json());
  }
  if (pad.is_string() && vocab.contains(pad.get<std::string>())) {
    files.pad = vocab[pad.get<std::string>()].get<std::int64_t>();
  }
}

void check_ids(const json& vocab, const fs::path& folder, TokenizerFiles& files) {
  files.largest_id = 0;
  for (const auto& [token, id] : vocab.items()) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= std::numeric_limits<std::int32_t>::max();
    if (!fits) {
      throw ModelError("'" + folder.string() + "': the ids of the vocabulary must be whole numbers, that of '" + token +
                       "' is " + id.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60));
    }
    files.largest_id = std::max(files.largest_id, id.get<std::int64_t>());
  }
}

}  // namespace

TokenizerFiles read_tokenizer_folder(const fs::path& folder) {
  TokenizerFiles files;
  json vocab;
  if (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt")) {
    vocab = read_json(folder / "vocab.json").value();
    files.merges = read_text_file(folder / "merges.txt", kLargestFile);
  } else if (fs::exists(folder / "tokenizer.json")) {
    read_fast(folder / "tokenizer.json", vocab, files.merges);
  } else {
    throw ModelError("'" + folder.string() +
                     "' contains no CLIP tokenizer: vocab.json and merges.txt, or tokenizer.json, are needed");
  }
  check_ids(vocab, folder, files);
  files.vocab = vocab.dump();
  files.start = id_of(vocab, kStart, folder);
  files.end = files.pad = id_of(vocab, kEnd, folder);
  if (const fs::path settings = folder / "tokenizer_config.json"; fs::exists(settings)) {
    read_settings(settings, vocab, files);
  }
  return files;
}

TokenizerFiles shipped_tokenizer() {
  const auto folder = find_shared_data("data/clip/vocab.json");
  if (!folder) {
    throw ModelError("the CLIP vocabulary, which is installed with fmboost, was not found near '" +
                     executable_dir().string() + "'");
  }
  return read_tokenizer_folder(folder->parent_path());
}

json write_tokenizer(const TokenizerFiles& files, const fs::path& folder) {
  fs::create_directories(folder / "tokenizer");
  write_file_atomically(folder / "tokenizer" / "vocab.json", as_bytes(files.vocab));
  write_file_atomically(folder / "tokenizer" / "merges.txt", as_bytes(files.merges));
  return {{"type", "clip-bpe"},
          {"vocab", "tokenizer/vocab.json"},
          {"vocab_sha256", sha256(as_bytes(files.vocab))},
          {"merges", "tokenizer/merges.txt"},
          {"merges_sha256", sha256(as_bytes(files.merges))},
          {"start", files.start},
          {"end", files.end},
          {"pad", files.pad}};
}

}  // namespace fmboost
