#pragma once

#include <ATen/core/Generator.h>
#include <cstdint>
#include <string_view>
#include <torch/types.h>

namespace fmboost {

/// A CPU generator with the random stream of torch.Generator("cpu").manual_seed(seed).
at::Generator cpu_generator(std::uint64_t seed);

/// Standard normal noise, float32 on the CPU, so that it is the same for every device and dtype.
torch::Tensor gaussian_noise(at::IntArrayRef shape, at::Generator& generator);

/// A seed for one stage of one image (for example "coupling-0"). Stages do not share a random stream, so the number of
/// draws of one stage does not affect the others. FNV-1a of the name, mixed with the seed by splitmix64.
std::uint64_t derive_seed(std::uint64_t seed, std::string_view stage);

/// A seed from the operating system, from 0 to 2^32 - 1 so that other tools accept it as well.
std::uint64_t random_seed();

}  // namespace fmboost
