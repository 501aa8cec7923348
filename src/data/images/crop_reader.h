#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "data/images/image_crops.h"

namespace fmboost {

/// A range of squares of one image.
struct CropTask {
  std::int64_t image = 0;
  std::int64_t first_crop = 0;
  std::int64_t crops = 1;
  bool last_of_image = true;
};

/// The result of a task.
struct ReadCrops {
  CropTask task;
  std::vector<ImageCrop> crops;
  std::vector<std::vector<std::byte>> jpegs;  ///< of the large squares, if they are kept
  std::string sha256;                         ///< of the image's file
  std::string target_sha256;                  ///< of the target's file, if there is one
  std::int64_t width = 0;                     ///< of the image, after fitting
  std::int64_t height = 0;
  std::string error;  ///< why there are no crops; empty on success
};

/// Reads the image and cuts the task's squares, the large ones from `target` unless it is empty; a problem with an
/// image is returned in `error`. `jpeg_quality` 0: no JPEGs.
ReadCrops read_crops(const std::filesystem::path& file, const std::filesystem::path& target, const CropTask& task,
                     const ImageCropOptions& options, int jpeg_quality);

}  // namespace fmboost
