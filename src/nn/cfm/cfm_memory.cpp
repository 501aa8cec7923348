#include <algorithm>

#include "fmboost/nn/cfm_unet_options.h"

namespace fmboost {
namespace {

// Follows the layers of the network and finds the peak number of activations.
class Walk {
 public:
  Walk(const CfmUnetOptions& options, bool strips) : options_(options), strips_(strips) {
    share_ = options.pool_factor > 1 ? 1.0 / static_cast<double>(options.pool_factor * options.pool_factor) : 1.0;
  }

  double most() {
    const auto levels = static_cast<std::int64_t>(options_.channel_mult.size());
    auto channels = static_cast<double>(options_.model_channels);
    keep(channels);
    for (std::int64_t level = 0; level < levels; ++level) {
      for (std::int64_t i = 0; i < options_.num_res_blocks; ++i) {
        channels = block(channels, width(level), level);
        keep(channels);
      }
      if (level + 1 < levels) {
        share_ /= 4;
        keep(channels);
      }
    }
    block(channels, channels, levels);
    for (std::int64_t level = levels; level-- > 0;) {
      for (std::int64_t i = 0; i <= options_.num_res_blocks; ++i) {
        channels = block(channels + skips_.back() / share_, width(level), level);
        skips_.pop_back();
      }
      if (level > 0) {
        share_ *= 4;
        note(1.25 * channels);
      }
    }
    return most_;
  }

 private:
  double width(std::int64_t level) const {
    return static_cast<double>(options_.model_channels * options_.channel_mult[static_cast<std::size_t>(level)]);
  }
  // A residual block, and attention if present. Whole images include the temporaries of their expressions.
  double block(double in, double out, std::int64_t level) {
    note(strips_ ? in + 2 * out : std::max(3 * in + out, in + 5 * out));
    const auto& listed = options_.attention_resolutions;
    const bool middle = level == static_cast<std::int64_t>(options_.channel_mult.size());
    if (middle || std::find(listed.begin(), listed.end(), std::int64_t{1} << level) != listed.end()) {
      note(3 * out + 5 * static_cast<double>(options_.num_heads * options_.dim_head));
    }
    return out;
  }
  void keep(double channels) {
    skips_.push_back(channels * share_);
    note(channels);
  }
  // `channels` at the current level, in addition to the skips.
  void note(double channels) {
    double held = channels * share_;
    for (const double skip : skips_) {
      held += skip;
    }
    most_ = std::max(most_, held);
  }

  const CfmUnetOptions& options_;
  bool strips_;
  double share_ = 1;  ///< latent pixels of the current level per one of the input
  std::vector<double> skips_;
  double most_ = 0;
};

}  // namespace

double peak_activations_per_latent_pixel(const CfmUnetOptions& options, bool strips) {
  return Walk(options, strips).most();
}

}  // namespace fmboost
