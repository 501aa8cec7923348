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

/// Degrades small squares the way cameras and the web degrade images, so that a coupling learns to undo it. The large
/// squares stay clean. Each step is applied to a part of the degraded squares only, with a strength drawn uniformly up
/// to its limit: a Gaussian blur (half of them), a random downsampling kernel (all), sensor noise whose variance grows
/// with brightness (half), JPEG compression (three quarters).
struct DegradationOptions {
  double share = 0;      ///< of the squares, 0 .. 1
  double max_blur = 1;   ///< standard deviation in pixels of the small square, 0 .. 10
  double max_noise = 8;  ///< standard deviation at medium gray, of 255, 0 .. 100
  int min_quality = 30;  ///< JPEG, 1 .. `max_quality`; chroma is subsampled (4:2:0) in half of the files
  int max_quality = 95;  ///< up to 100

  /// Throws UsageError naming the field that is out of range.
  void check() const;
};

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
  DegradationOptions degradation = {};
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
