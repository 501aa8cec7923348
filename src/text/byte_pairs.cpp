#include "text/byte_pairs.h"

#include <cstdint>
#include <queue>
#include <tuple>
#include <utility>

#include "fmboost/core/error.h"

#include "text/model_text.h"
#include "text/unicode.h"

namespace fmboost {
namespace {

// Every byte as a printable character: printable Latin-1 characters represent themselves, the others start at U+0100.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> table;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table[static_cast<std::size_t>(byte)] = to_utf8(printable ? static_cast<char32_t>(byte) : next++);
  }
  return table;
}

bool is_pair(std::string_view line) {
  const auto space = line.find(' ');
  return space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
         line.find(' ', space + 1) == std::string_view::npos;
}

// A word during merging: a linked list of symbols, so that a merge moves nothing.
class Word {
 public:
  using Ranks = std::unordered_map<std::string, std::size_t>;

  Word(std::vector<std::string> symbols, const Ranks& ranks) : texts_(std::move(symbols)), ranks_(ranks) {
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      next_.push_back(i + 1);
      previous_.push_back(i - 1);  // of the first symbol: not a valid index
      consider(i);
    }
  }

  void merge_all() {
    while (!candidates_.empty()) {
      const auto [rank, left, length] = candidates_.top();
      candidates_.pop();
      const std::size_t right = next_[left];
      // Already merged with or into a neighbor: symbols only grow.
      if (texts_[left].empty() || right >= texts_.size() || texts_[left].size() + texts_[right].size() != length) {
        continue;
      }
      texts_[left] += std::exchange(texts_[right], {});
      next_[left] = next_[right];
      if (next_[left] < texts_.size()) {
        previous_[next_[left]] = left;
      }
      consider(left);
      consider(previous_[left]);
    }
  }

  std::vector<std::string> take() {
    std::erase(texts_, "");
    return std::move(texts_);
  }

 private:
  using Candidate = std::tuple<std::size_t, std::size_t, std::size_t>;  // rank, left symbol, bytes of both

  void consider(std::size_t left) {
    if (left >= texts_.size() || next_[left] >= texts_.size()) {
      return;
    }
    const std::string& right = texts_[next_[left]];
    if (const auto found = ranks_.find(texts_[left] + " " + right); found != ranks_.end()) {
      candidates_.emplace(found->second, left, texts_[left].size() + right.size());
    }
  }

  std::vector<std::string> texts_;
  std::vector<std::size_t> next_;
  std::vector<std::size_t> previous_;
  const Ranks& ranks_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace

BytePairs::BytePairs(const std::filesystem::path& merges) : characters_(byte_characters()) {
  const std::string text = read_model_text(merges);
  int number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    start = end + 1;
    ++number;
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    if (line.empty() || (number == 1 && line.rfind("#version", 0) == 0)) {
      continue;
    }
    if (!is_pair(line)) {
      throw ModelError("'" + merges.string() + "', line " + std::to_string(number) +
                       ": expected two tokens separated by a space, found '" + line.substr(0, 60) + "'");
    }
    ranks_.emplace(std::move(line), ranks_.size());
  }
}

std::vector<std::string> BytePairs::split(std::string_view word) const {
  std::vector<std::string> symbols;
  for (const char byte : word) {
    symbols.push_back(characters_[static_cast<unsigned char>(byte)]);
  }
  symbols.back() += "</w>";
  Word merging(std::move(symbols), ranks_);
  merging.merge_all();
  return merging.take();
}

}  // namespace fmboost
