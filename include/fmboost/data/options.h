#pragma once

#include <cstdint>
#include <filesystem>

#include "fmboost/core/enum_names.h"

namespace fmboost {

enum class CropPlace { random, center };
enum class Downsampling {
  area,      ///< each pixel is the mean of the pixels that it replaces
  bilinear,  ///< with antialiasing
  bicubic    ///< with antialiasing
};

template <>
inline constexpr auto kEnumNames<CropPlace> = enum_table<CropPlace>("crop", {{CropPlace::random, "random"},
                                                                             {CropPlace::center, "center"}});
template <>
inline constexpr auto kEnumNames<Downsampling> = enum_table<Downsampling>("downsampling",
                                                                          {{Downsampling::area, "area"},
                                                                           {Downsampling::bilinear, "bilinear"},
                                                                           {Downsampling::bicubic, "bicubic"}});

/// How pairs of a large and a small square are made from an image.
struct ImageCropOptions {
  std::int64_t low = 512;    ///< side of the small square, in pixels
  std::int64_t high = 1024;  ///< side of the large square, a multiple of `low`
  CropPlace place = CropPlace::random;
  std::int64_t crops = 1;  ///< squares per image
  bool flip = false;       ///< mirrors half of the squares left to right. This is done in pixels because an
                           ///< autoencoder's latent of a mirrored image is not the mirrored latent
  bool fit = false;        ///< shrinks the image first, so that its shorter side is `high`
  Downsampling downsampling = Downsampling::area;  ///< makes the small square from the large one
  std::uint64_t seed = 42;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

struct LatentCacheOptions {
  /// Keeps encoded pairs from run to run; empty: they are kept in memory, for this run only.
  std::filesystem::path folder;
  std::int64_t memory_limit = std::int64_t{4} << 30;  ///< bytes, for the cache in memory; 0: no cache there
};

/// How training reads a folder of images.
struct ImageDatasetOptions {
  /// `crops` is the number of different squares that are ever taken from an image; each epoch uses one of them. With
  /// few of them the cache helps, with many the data is more varied.
  ImageCropOptions crop{.crops = 4};
  LatentCacheOptions cache;

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

}  // namespace fmboost
