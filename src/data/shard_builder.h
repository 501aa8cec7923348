#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fmboost/data/encode_images.h"

#include "io/tar.h"

namespace fmboost {

/// A square on its way into an archive.
struct ShardSample {
  std::string key;
  std::string source;  ///< the image's file, for messages
  ImageCrop crop;
  std::vector<std::byte> jpeg;  ///< empty: none is kept
  nlohmann::json json;
};

/// One archive while it is made: collects batches, encodes and writes them. The archive is opened with its first sample
/// and takes its name in finish(). Batches never reach over its end, so that its bytes do not depend on what a run did
/// before.
class ShardBuilder {
 public:
  /// Removes what a killed run has left of the same archive.
  ShardBuilder(std::filesystem::path folder, std::string name, const PairEncoder& encoder,
               const EncodeImagesOptions& options);

  void add(ShardSample sample);
  void add_failure(FailedImage failure) { record_.failures.push_back(std::move(failure)); }
  /// Writes archive and record; without a sample there is only a record.
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
