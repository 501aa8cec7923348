#pragma once

#include <memory>
#include <vector>

#include "data/pair_dataset.h"

namespace fmboost {

/// Concatenates several datasets.
class JoinedDataset final : public PairDataset {
 public:
  explicit JoinedDataset(std::vector<std::shared_ptr<const PairDataset>> parts);

  std::size_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  LatentPair get(std::size_t index, std::uint64_t seed) const override;
  torch::Tensor original(std::size_t index, std::uint64_t seed) const override;

 private:
  std::pair<std::size_t, std::size_t> locate(
      std::size_t index) const;  // index of the part, and the sample's index in it

  std::vector<std::shared_ptr<const PairDataset>> parts_;
  std::vector<std::size_t> ends_;
};

}  // namespace fmboost
