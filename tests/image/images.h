#pragma once

#include <cstddef>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <torch/types.h>
#include <vector>

#include "fmboost/image/decode.h"
#include "fmboost/image/encode.h"

namespace fmboost::test {

using ImageBytes = std::vector<std::byte>;

/// A file of tests/fixtures/images, which make_images.py there writes.
ImageBytes image_file(const std::string& name);

/// The 6x4 pattern of make_images.py as (H, W, 3) uint8: (40 x, 60 y, 10 (x + y)).
torch::Tensor pattern();
/// Its gray value repeated: 30 x + 20 y.
torch::Tensor gray_pattern();

/// (H, W, 3) uint8 -> an image.
Image image_of(const torch::Tensor& samples);
/// The other way; checks that the image is of the promised shapes and types.
torch::Tensor samples_of(const Image& image);

/// Random bytes, the same for the same seed: (height, width, channels) uint8.
torch::Tensor random_samples(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint64_t seed = 1);

/// Decodes what the encoder makes of an image.
Image round_trip(const Image& image, const EncodeOptions& options);

/// Largest difference of two uint8 tensors of one shape.
int largest_difference(const torch::Tensor& a, const torch::Tensor& b);
testing::AssertionResult same_samples(const torch::Tensor& a, const torch::Tensor& b);

std::string text_of(const ImageBytes& bytes);
ImageBytes bytes_of(std::string_view text);

}  // namespace fmboost::test
