#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/data/encode_images.h"

#include "data/images/image_crops.h"
#include "data/images/pair_encoder.h"
#include "io/tar.h"

namespace fmboost {

/// A square to be encoded into an archive.
struct ShardSample {
  std::string key;
  std::string source;  ///< the image's file, for messages
  ImageCrop crop;
  std::vector<std::byte> jpeg;  ///< empty: the image is not kept
  nlohmann::json json;
};

/// Makes one archive: collects batches, encodes and writes them. The archive is created with its first sample and gets
/// its name in finish(). Batches never span two archives, so that an archive's bytes do not depend on earlier ones.
class ShardBuilder {
 public:
  /// Removes temporary files of the same archive that a killed run has left.
  ShardBuilder(std::filesystem::path folder, std::string name, const PairEncoder& encoder,
               const EncodeImagesOptions& options);

  void add(ShardSample sample);
  void add_failure(FailedImage failure) { record_.failures.push_back(std::move(failure)); }
  /// Writes the archive and its record; without samples only the record.
  ShardRecord finish();

 private:
  void flush();
  EncodedPairs encode_batch() const;
  std::vector<std::byte> array(const ShardSample& sample, const torch::Tensor& latent) const;
  void write(const ShardSample& sample, const torch::Tensor& latent, const torch::Tensor& context);

  std::filesystem::path folder_;
  const PairEncoder& encoder_;
  const EncodeImagesOptions& options_;
  std::vector<ShardSample> batch_;
  std::optional<TarWriter> writer_;
  ShardRecord record_;
};

}  // namespace fmboost
