#pragma once

#include <filesystem>
#include <string>

#include "fmboost/data/encode_images.h"

#include "data/images/pair_encoder.h"

namespace fmboost {

/// The model's name and the SHA-256 of its bundle.json.
struct BundleIdentity {
  std::string name;
  std::string hash;
};

/// encode_images() with an encoder that is loaded already; its upsampling is used and that of the options is not.
EncodeProgress encode_images(const std::filesystem::path& images, const std::filesystem::path& output,
                             const PairEncoder& encoder, const BundleIdentity& bundle,
                             const EncodeImagesOptions& options, const EncodeObserver& observer = {});

}  // namespace fmboost
