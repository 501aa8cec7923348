#include <nlohmann/json.hpp>
#include <set>

#include "fmboost/core/error.h"
#include "fmboost/io/files.h"

#include "replay.h"
#include "text/clip_tokenizer.h"

namespace fmboost::parity {
namespace {

using Ids = std::vector<std::int64_t>;

void compare_prompt(const ClipTokenizer& tokenizer, const nlohmann::json& entry, Report& report) {
  std::set<std::string> keys;
  for (const auto& [key, value] : entry.items()) {
    keys.insert(key);
  }
  if (keys != std::set<std::string>{"ids", "padded", "text"}) {
    throw Error("every entry must hold text, ids and padded, and no more: " + entry.dump());
  }
  const auto text = entry.at("text").get<std::string>();
  const ClipTokenizerOptions special;
  Ids all = tokenizer.encode_all(text);
  all.insert(all.begin(), special.start);
  all.push_back(special.end);
  report.compare("ids of '" + text + "'", torch::tensor(all), torch::tensor(entry.at("ids").get<Ids>()), 0);
  report.compare("padded ids of '" + text + "'", torch::tensor(tokenizer.encode(text).ids),
                 torch::tensor(entry.at("padded").get<Ids>()), 0);
}

}  // namespace

Report replay_token_ids(const std::filesystem::path& file, const std::filesystem::path& vocabulary_folder) {
  return make_report([&](Report& report) {
    const auto entries = nlohmann::json::parse(read_text_file(file));
    if (!entries.is_array()) {
      throw Error("token ids are a JSON list");
    }
    const ClipTokenizer tokenizer(vocabulary_folder / "vocab.json", vocabulary_folder / "merges.txt");
    for (const auto& entry : entries) {
      compare_prompt(tokenizer, entry, report);
    }
  });
}

}  // namespace fmboost::parity
