// The formats that have a library of their own here are left out.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_PNG
#define STBI_NO_JPEG
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 65536
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#include <stb_image.h>
#pragma GCC diagnostic pop

#include <limits>
#include <memory>

#include "raw_picture.h"

namespace fmboost {

RawPicture decode_with_stb(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  constexpr const char* kKnown =
      "is not a picture in a known format (PNG, JPEG, WebP, BMP, GIF, TGA, PSD, PNM or PIC), or it is damaged";
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    fail_decoding(name, kKnown);
  }
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  int width = 0;
  int height = 0;
  int channels = 0;
  if (stbi_info_from_memory(data, size, &width, &height, &channels) == 0) {
    fail_decoding(name, kKnown);
  }
  check_dimensions(width, height, limits, name);
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, 0), &stbi_image_free);
  if (!pixels) {
    fail_decoding(name, std::string("is damaged or truncated: ") + stbi_failure_reason());
  }
  const torch::Tensor samples = torch::from_blob(pixels.get(), {height, width, channels}, torch::kUInt8);
  const int colors = channels < 3 ? 1 : 3;
  RawPicture picture;
  picture.format = "other";
  picture.model = colors == 1 ? ColorModel::grey : ColorModel::rgb;
  picture.samples = samples.slice(2, 0, colors).clone();
  if (channels > colors) {
    picture.alpha = samples.select(2, colors).clone();
  }
  return picture;
}

}  // namespace fmboost
