#include "data/images/crop_reader.h"

#include "fmboost/core/error.h"
#include "fmboost/core/memory_probe.h"
#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"
#include "fmboost/io/files.h"
#include "fmboost/io/sha256.h"

namespace fmboost {
namespace {

std::vector<std::byte> jpeg_of(const torch::Tensor& pixels, int quality) {
  Image image;
  image.pixels = pixels;
  EncodeOptions encoding;
  encoding.format = ImageFormat::jpeg;
  encoding.quality = quality;
  return encode_image(image, encoding);
}

}  // namespace

ReadCrops read_crops(const std::filesystem::path& file, const std::filesystem::path& target, const CropTask& task,
                     const ImageCropOptions& options, int jpeg_quality) {
  ReadCrops read;
  read.task = task;
  try {
    const auto bytes = read_file(file);
    read.sha256 = sha256(bytes);
    CropSource source(decode_image(bytes, file.string()), read.sha256, options, file.string());
    if (!target.empty()) {
      const auto target_bytes = read_file(target);
      read.target_sha256 = sha256(target_bytes);
      source.set_target(decode_image(target_bytes, target.string()), target.string());
    }
    read.width = source.width();
    read.height = source.height();
    for (std::int64_t i = 0; i < task.crops; ++i) {
      read.crops.push_back(source.cut(task.first_crop + i));
      if (jpeg_quality > 0) {
        read.jpegs.push_back(jpeg_of(read.crops.back().high, jpeg_quality));
      }
    }
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      throw;
    }
    read.error = error.what();
  }
  return read;
}

}  // namespace fmboost
