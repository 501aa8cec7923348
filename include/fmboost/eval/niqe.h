#pragma once

#include <cstdint>
#include <filesystem>
#include <torch/types.h>

namespace fmboost {

/// Side in pixels of the blocks that NIQE compares.
inline constexpr std::int64_t kNiqeBlock = 96;

/// The distribution of NIQE's features over natural photographs: float64 on the CPU.
struct NiqeModel {
  torch::Tensor mean;        ///< (36)
  torch::Tensor covariance;  ///< (36, 36)
};

/// The model that is distributed with fmboost (data/niqe), fitted by scripts/fit_niqe.py. Throws Error if it is
/// missing.
NiqeModel default_niqe_model();

/// Reads `mean` and `covariance` from a safetensors file. Throws Error for other shapes.
NiqeModel load_niqe_model(const std::filesystem::path& file);

/// NIQE's features of an image's blocks of 96x96 pixels, (blocks, 36) float64: parameters of generalized Gaussians of
/// the locally normalized luma and of products of its neighbors, at full and at half size (Mittal, Soundararajan and
/// Bovik, "Making a completely blind image quality analyzer", 2013). Blocks without any variation have NaNs.
/// samples: (1, H, W) luma, 16 .. 235 as luma() returns it. Throws Error if no block fits.
torch::Tensor niqe_features(const torch::Tensor& samples);

/// The distance of an image's features from those of natural photographs: lower is more natural. `samples` as above.
double niqe(const torch::Tensor& samples, const NiqeModel& model);

}  // namespace fmboost
