#include "data/joined_dataset.h"

#include <algorithm>
#include <utility>

#include "fmboost/core/error.h"

namespace fmboost {

JoinedDataset::JoinedDataset(std::vector<std::shared_ptr<const PairDataset>> parts) : parts_(std::move(parts)) {
  std::size_t end = 0;
  for (const auto& part : parts_) {
    end += part->size();
    ends_.push_back(end);
  }
}

std::pair<std::size_t, std::size_t> JoinedDataset::locate(std::size_t index) const {
  const auto found = std::upper_bound(ends_.begin(), ends_.end(), index);
  if (found == ends_.end()) {
    throw Error("there is no sample " + std::to_string(index) + " among " + std::to_string(size()));
  }
  const auto part = static_cast<std::size_t>(found - ends_.begin());
  return {part, index - (part == 0 ? 0 : ends_[part - 1])};
}

LatentPair JoinedDataset::get(std::size_t index, std::uint64_t seed) const {
  const auto [part, place] = locate(index);
  return parts_[part]->get(place, seed);
}

torch::Tensor JoinedDataset::original(std::size_t index, std::uint64_t seed) const {
  const auto [part, place] = locate(index);
  return parts_[part]->original(place, seed);
}

}  // namespace fmboost
