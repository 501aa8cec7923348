// Formats with a dedicated library are disabled.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_PNG
#define STBI_NO_JPEG
#define STBI_NO_HDR
#define STBI_NO_BMP
#define STBI_NO_PNM
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 65536
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#include <stb_image.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "fmboost/core/log.h"

#include "image/read/raw_image.h"

namespace fmboost {
namespace {

// stb_image treats data beyond the end of a file as zeros or leaves it uninitialized. This source detects that: a read
// is either a refill of the library's buffer, which requests more than it needs and must only get something, or a
// direct one into the image, which needs all of it. The first read is always a refill and reveals the address of the
// buffer.
class Stream {
 public:
  explicit Stream(Bytes bytes) : left_(bytes) {}

  int read(char* out, int size) {
    buffer_ = buffer_ == nullptr ? out : buffer_;
    const std::size_t count = std::min(left_.size(), static_cast<std::size_t>(size));
    overrun_ = overrun_ || (out == buffer_ ? count == 0 : count < static_cast<std::size_t>(size));
    if (count > 0) {
      std::memcpy(out, left_.data(), count);
    }
    left_ = left_.subspan(count);
    return static_cast<int>(count);
  }
  void skip(int size) { left_ = left_.subspan(std::min(left_.size(), static_cast<std::size_t>(std::max(size, 0)))); }
  bool at_end() const { return left_.empty(); }
  bool overrun() const { return overrun_; }

  static const stbi_io_callbacks& callbacks() {
    static const stbi_io_callbacks kCallbacks{
        [](void* user, char* out, int size) { return static_cast<Stream*>(user)->read(out, size); },
        [](void* user, int size) { static_cast<Stream*>(user)->skip(size); },
        [](void* user) { return static_cast<Stream*>(user)->at_end() ? 1 : 0; }};
    return kCallbacks;
  }

 private:
  Bytes left_;
  const char* buffer_ = nullptr;
  bool overrun_ = false;
};

// Whether a GIF contains a second image; GIF89a, sections 17 to 26.
bool is_animated_gif(Bytes bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<unsigned>(bytes[i]) : 0U; };
  const auto table_size = [](unsigned flags) {
    return (flags & 0x80U) != 0 ? std::size_t{3} << ((flags & 7U) + 1) : 0;
  };
  std::size_t position = 13 + table_size(at(10));
  for (int images = 0; position < bytes.size();) {
    const unsigned introducer = at(position);
    if (introducer == 0x2c) {
      if (++images == 2) {
        return true;
      }
      position += 11 + table_size(at(position + 9));
    } else if (introducer == 0x21) {
      position += 2;
    } else {
      return false;
    }
    while (at(position) != 0) {
      position += 1 + at(position);
    }
    ++position;
  }
  return false;
}

torch::Tensor opaque_as_undefined(const torch::Tensor& alpha) {
  return (alpha == 255).all().item<bool>() ? torch::Tensor() : alpha;
}

}  // namespace

RawImage decode_with_stb(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  constexpr const char* kKnown =
      "is not an image in a known format (PNG, JPEG, WebP, TIFF, BMP, PNM, AVIF, JPEG XL, GIF, TGA, PSD or PIC), or it "
      "is "
      "damaged";
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    fail_decoding(name, kKnown);
  }
  int width = 0;
  int height = 0;
  int channels = 0;
  if (stbi_info_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()), &width,
                            &height, &channels) == 0) {
    fail_decoding(name, kKnown);
  }
  check_dimensions(width, height, limits, name);
  Stream stream(bytes);
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_callbacks(&Stream::callbacks(), &stream, &width, &height, &channels, 0), &stbi_image_free);
  if (!pixels || stream.overrun()) {
    const char* reason = pixels ? "the image data end early" : stbi_failure_reason();
    fail_decoding(name,
                  std::string("is damaged or truncated: ") + (reason != nullptr ? reason : "it contains no image"));
  }
  if (starts_with(bytes, "GIF8") && is_animated_gif(bytes)) {
    log_warning("'" + name + "' is animated; only its first frame is used");
  }
  const torch::Tensor samples = torch::from_blob(pixels.get(), {height, width, channels}, torch::kUInt8);
  const int colors = channels < 3 ? 1 : 3;
  RawImage image;
  image.format = "other";
  image.model = colors == 1 ? ColorModel::gray : ColorModel::rgb;
  image.samples = samples.slice(2, 0, colors).clone();
  if (channels > colors) {
    image.alpha = opaque_as_undefined(samples.select(2, colors).clone());
  }
  return image;
}

}  // namespace fmboost
