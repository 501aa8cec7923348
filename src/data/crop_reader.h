#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "data/image_crops.h"

namespace fmboost {

/// Some squares of one image.
struct CropTask {
  std::int64_t image = 0;
  std::int64_t first_crop = 0;
  std::int64_t crops = 1;
  bool last_of_image = true;
};

/// What a worker made of a task.
struct ReadCrops {
  CropTask task;
  std::vector<ImageCrop> crops;
  std::vector<std::vector<std::byte>> jpegs;  ///< of the large squares, where they are kept
  std::string sha256;                         ///< of the image's file
  std::int64_t width = 0;                     ///< of what was cut
  std::int64_t height = 0;
  std::string error;  ///< why there are none
};

/// Reads the image and cuts the task's squares; what is wrong with the image becomes `error`. `jpeg_quality` 0: no
/// JPEGs.
ReadCrops read_crops(const std::filesystem::path& file, const CropTask& task, const ImageCropOptions& options,
                     int jpeg_quality);

}  // namespace fmboost
