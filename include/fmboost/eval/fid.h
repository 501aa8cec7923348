#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <torch/types.h>
#include <vector>

#include "fmboost/eval/frechet.h"

namespace fmboost {

/// Images (B, 3, H, W) uint8 on the CPU to features (B, D) float32.
using FeatureFunction = std::function<torch::Tensor(const torch::Tensor& images)>;

/// Loads a TorchScript program, for example one written by scripts/export_inception.py, and runs it in float32 on
/// `device`. It must map images (B, 3, H, W), uint8, of any size to features (B, D). Throws ModelError if the file is
/// not such a program, contains operators other than tensor arithmetic, or returns another shape.
FeatureFunction load_feature_program(const std::filesystem::path& file, torch::Device device);

/// How FID and patch-FID sample images. The defaults are the published protocol.
struct FidOptions {
  std::int64_t crops = 4;        ///< per image, at random positions; 0: no patch-FID
  std::int64_t crop_size = 512;  ///< side of a crop in pixels
  std::uint64_t seed = 42;       ///< of the positions; images with the same name and size have the same positions
  std::int64_t batch_size = 16;  ///< images of one size per call of the program
  FewImages few = FewImages::refuse;

  /// Throws UsageError naming what is out of range.
  void check() const;
};

/// Collects the feature statistics of one set of images and of their crops.
class ImageSet {
 public:
  ImageSet(FeatureFunction features, const FidOptions& options);

  /// image: (3, H, W) uint8. Throws ModelError if its features are not finite.
  void add(const torch::Tensor& image, const std::string& name);
  /// Processes the incomplete batches. Must be called after the last image.
  void finish();

  const FeatureStatistics& whole() const { return whole_.statistics; }
  const FeatureStatistics& crops() const { return crops_.statistics; }
  /// Images that are smaller than a crop.
  std::int64_t too_small() const { return too_small_; }

 private:
  struct Stream {
    std::vector<torch::Tensor> waiting;  ///< of one size
    std::vector<std::string> names;
    FeatureStatistics statistics;
  };
  void push(Stream& stream, const torch::Tensor& image, const std::string& name);
  void run(Stream& stream);

  FeatureFunction features_;
  FidOptions options_;
  Stream whole_;
  Stream crops_;
  std::int64_t too_small_ = 0;
};

struct FidResult {
  double fid = 0;
  std::optional<double> patch_fid;  ///< none if it is turned off or an image is smaller than a crop
};

/// Throws Error if there are too few images, see frechet_distance().
FidResult compare_sets(const ImageSet& a, const ImageSet& b, const FidOptions& options);

}  // namespace fmboost
