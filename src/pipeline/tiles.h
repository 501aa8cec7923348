#pragma once

#include <cstdint>
#include <functional>
#include <torch/types.h>
#include <vector>

namespace fmboost {

/// A window of an image, in latent pixels (latent pixels).
struct Window {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// Windows of at most tile x tile latent pixels that cover height x width, neighbors sharing at least `overlap` latent pixels (at most
/// tile - multiple). All edges are multiples of `multiple`, as are height, width and tile. One window when everything
/// fits into one.
std::vector<Window> plan_windows(std::int64_t height, std::int64_t width, std::int64_t tile, std::int64_t overlap,
                                 std::int64_t multiple);

/// Puts overlapping windows together: each is weighted by linear ramps over the overlap on its inner sides, and the sum
/// is divided by the weights. With a single window its values come out unchanged.
class WindowBlender {
 public:
  /// All in the pixels of the result; `ramp` is the length of the ramps.
  WindowBlender(std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t ramp);

  /// values: (1, channels, window.height, window.width), float32 on any device.
  void add(const Window& window, const torch::Tensor& values);

  /// (1, channels, height, width) float32 on the CPU.
  torch::Tensor result();

 private:
  torch::Tensor sum_;
  torch::Tensor weight_;
  std::int64_t ramp_;
};

}  // namespace fmboost
