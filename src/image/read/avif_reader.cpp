#include <avif/avif.h>
#include <memory>

#include "fmboost/core/log.h"

#include "image/color_profile.h"
#include "image/exif.h"
#include "image/read/raw_image.h"

namespace fmboost {
namespace {

using AvifDecoder = std::unique_ptr<avifDecoder, decltype(&avifDecoderDestroy)>;

std::vector<std::byte> copy_of(const avifRWData& data) {
  return data.size == 0 ? std::vector<std::byte>() : copy_bytes(data.data, data.size);
}

// The transformations of the container as an orientation of EXIF: ISO/IEC 23008-12, 6.5.10 and 6.5.12.
int avif_orientation(const avifImage& image) {
  const bool mirrored = (image.transformFlags & AVIF_TRANSFORM_IMIR) != 0;
  const int angle = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0 ? image.irot.angle : 0;
  constexpr int kOrientations[4][3]{{1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}};  // plain, mode 0, mode 1
  return kOrientations[angle & 3][mirrored ? 1 + (image.imir.mode & 1) : 0];
}

void read_avif_metadata(const avifImage& avif, const std::string& name, RawImage& image) {
  image.metadata.icc_profile = copy_of(avif.icc);
  image.metadata.exif = without_exif_prefix(copy_of(avif.exif));
  image.metadata.xmp.assign(reinterpret_cast<const char*>(avif.xmp.data), avif.xmp.size);
  image.orientation = avif_orientation(avif);
  const bool specified = avif.colorPrimaries != AVIF_COLOR_PRIMARIES_UNSPECIFIED ||
                         avif.transferCharacteristics != AVIF_TRANSFER_CHARACTERISTICS_UNSPECIFIED;
  if (!image.metadata.icc_profile.empty() || !specified) {
    return;
  }
  // What is left open is that of sRGB.
  constexpr int kUnspecified = 2;
  const auto or_srgb = [](int value, int otherwise) { return value == kUnspecified ? otherwise : value; };
  const int primaries = or_srgb(avif.colorPrimaries, AVIF_COLOR_PRIMARIES_BT709);
  const int transfer = or_srgb(avif.transferCharacteristics, AVIF_TRANSFER_CHARACTERISTICS_SRGB);
  if (const auto space = coded_color_space(primaries, transfer, name)) {
    set_color_space(image, *space, name);
  }
}

torch::Tensor rgba_samples(const avifImage& avif, const std::string& name) {
  const bool deep = avif.depth > 8;
  const torch::Tensor samples = torch::empty({avif.height, avif.width, 4}, deep ? torch::kInt16 : torch::kUInt8);
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, &avif);
  rgb.format = AVIF_RGB_FORMAT_RGBA;
  rgb.depth = deep ? 16 : 8;
  rgb.pixels = static_cast<std::uint8_t*>(samples.data_ptr());
  rgb.rowBytes = static_cast<std::uint32_t>(avif.width * 4 * (deep ? 2 : 1));
  if (const avifResult result = avifImageYUVToRGB(&avif, &rgb); result != AVIF_RESULT_OK) {
    fail_decoding(name, std::string("is a damaged AVIF: ") + avifResultToString(result));
  }
  return as_unsigned(samples);
}

}  // namespace

bool is_avif(Bytes bytes) {
  const avifROData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  return starts_with(bytes, "ftyp", 4) && avifPeekCompatibleFileType(&data) == AVIF_TRUE;
}

RawImage decode_avif(Bytes bytes, const std::string& name, const DecodeLimits& limits) {
  const AvifDecoder decoder(avifDecoderCreate(), &avifDecoderDestroy);
  const auto require = [&](avifResult result) {
    if (result != AVIF_RESULT_OK) {
      fail_decoding(name, std::string("is a damaged or truncated AVIF: ") + avifResultToString(result));
    }
  };
  decoder->strictFlags = AVIF_STRICT_DISABLED;  // as browsers read them
  decoder->maxThreads = 2;
  require(avifDecoderSetIOMemory(decoder.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  require(avifDecoderParse(decoder.get()));
  check_dimensions(decoder->image->width, decoder->image->height, limits, name);
  require(avifDecoderNextImage(decoder.get()));
  const avifImage& avif = *decoder->image;
  const torch::Tensor samples = rgba_samples(avif, name);
  RawImage image;
  image.format = "avif";
  image.maximum = avif.depth > 8 ? 65535 : 255;
  const bool gray = avif.yuvFormat == AVIF_PIXEL_FORMAT_YUV400;
  image.model = gray ? ColorModel::gray : ColorModel::rgb;
  image.samples = samples.slice(2, 0, gray ? 1 : 3).contiguous();
  if (decoder->alphaPresent == AVIF_TRUE) {
    image.alpha = samples.select(2, 3).contiguous();
  }
  read_avif_metadata(avif, name, image);
  if (decoder->imageCount > 1) {
    log_warning("'" + name + "' is animated; only its first frame is used");
  }
  return image;
}

}  // namespace fmboost
