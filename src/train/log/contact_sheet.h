#pragma once

#include <cstdint>
#include <torch/types.h>
#include <vector>

namespace fmboost {

struct ContactSheetOptions {
  std::int64_t largest_side = 512;  ///< of a picture, in pixels; larger ones are reduced; 0: no limit
  std::int64_t gap = 8;             ///< pixels between pictures, mid-grey

  /// Throws UsageError for negative numbers.
  void check() const;
};

/// Pictures (3, h, w) in [-1, 1] in rows of equal length -> one picture (3, H, W) in [-1, 1], on the CPU. All pictures
/// of a row get the size of its largest one: smaller ones are enlarged pixel by pixel (nearest), so that one sees what
/// they consist of. Throws Error for rows of different lengths, or none.
torch::Tensor contact_sheet(const std::vector<std::vector<torch::Tensor>>& rows,
                            const ContactSheetOptions& options = {});

}  // namespace fmboost
