// Image files: an image or an Error; what was read can be written, and reads as the same again.
#include <ATen/Parallel.h>

#include "fmboost/core/error.h"
#include "fmboost/core/log.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"

#include "require.h"

using namespace fmboost;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  configure_logging(Verbosity::quiet);
  at::set_num_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const DecodeLimits kLimits{.max_side = 4096, .max_pixels = 1 << 16, .check_size = {}};
  Image image;
  try {
    image = decode_image({reinterpret_cast<const std::byte*>(data), size}, "image", kLimits);
  } catch (const Error& error) {
    REQUIRE(std::string(error.what()).find("'image' ") == 0);
    return 0;
  }
  REQUIRE(image.pixels.dim() == 3 && image.pixels.size(0) == 3 && image.pixels.numel() > 0);
  REQUIRE(image.pixels.isfinite().all().item<bool>());
  const auto bytes = encode_image(image, {});
  const Image again = decode_image(bytes, "again");
  REQUIRE(again.pixels.sizes() == image.pixels.sizes());
  REQUIRE(again.alpha.defined() == image.alpha.defined());
  REQUIRE(again.metadata.exif.size() <= image.metadata.exif.size());  // a thumbnail is dropped
  REQUIRE(again.metadata.icc_profile == image.metadata.icc_profile);
  REQUIRE(again.gray == image.gray);
  REQUIRE(again.bit_depth == image.bit_depth);
  encode_image(image, {.format = ImageFormat::jpeg});
  encode_image(image, {.format = ImageFormat::tiff});
  return 0;
}
