#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fmboost/core/error.h"

namespace fmboost {

/// Checks of the options of a network; each throws ModelError naming the network, the field and the requirement.
class OptionChecks {
 public:
  explicit OptionChecks(std::string network) : network_(std::move(network)) {}

  void require(bool condition, const std::string& field, const std::string& needed) const {
    if (!condition) {
      throw ModelError(network_ + ": " + field + " must be " + needed);
    }
  }
  void size(const std::string& field, std::int64_t value, std::int64_t largest = 65536) const {
    require(value > 0 && value <= largest, field,
            "from 1 to " + std::to_string(largest) + ", found " + std::to_string(value));
  }
  void sizes(const std::string& field, const std::vector<std::int64_t>& values, std::size_t count,
             std::int64_t largest = 65536) const {
    require(values.size() == count, field,
            "a list of " + std::to_string(count) + ", found " + std::to_string(values.size()));
    for (const auto value : values) {
      size(field, value, largest);
    }
  }
  static constexpr std::int64_t kMostLayers = 64;  ///< consecutive layers of one kind
  /// The number of levels of a UNet or autoencoder.
  void levels(const std::string& field, std::size_t count) const {
    require(count > 0 && count <= 12, field, "a list of 1 to 12 levels, found " + std::to_string(count));
  }

 private:
  std::string network_;
};

}  // namespace fmboost
