#include "drawing/image.h"

namespace fmboost::drawing {

Image reduced(const Image& image, int factor) {
  Image result(image.width / factor, image.height / factor);
  const unsigned area = static_cast<unsigned>(factor) * static_cast<unsigned>(factor);
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      unsigned sum[3] = {};
      for (int dy = 0; dy < factor; ++dy) {
        const std::uint8_t* source = image.pixel(x * factor, y * factor + dy);
        for (int i = 0; i < 3 * factor; i += 3) {
          sum[0] += source[i];
          sum[1] += source[i + 1];
          sum[2] += source[i + 2];
        }
      }
      for (int c = 0; c < 3; ++c) {
        result.pixel(x, y)[c] = static_cast<std::uint8_t>((sum[c] + area / 2) / area);
      }
    }
  }
  return result;
}

}  // namespace fmboost::drawing
