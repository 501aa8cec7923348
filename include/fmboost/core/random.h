#pragma once

#include <ATen/core/Generator.h>
#include <cstdint>
#include <string_view>
#include <torch/types.h>

namespace fmboost {

/// A CPU generator that gives the numbers of torch.Generator("cpu").manual_seed(seed).
at::Generator cpu_generator(std::uint64_t seed);

/// Standard normal noise, float32 on the CPU: the same numbers for every device and dtype.
torch::Tensor gaussian_noise(at::IntArrayRef shape, at::Generator& generator);

/// A seed for one stage of one image (for example "coupling-0"), so that stages do not share a random stream and a
/// change of one stage's number of draws leaves the others alone. FNV-1a of the name mixed with the seed (splitmix64).
std::uint64_t derive_seed(std::uint64_t seed, std::string_view stage);

/// A seed from the operating system, within 0 .. 2^32 - 1 so that other tools accept it as well.
std::uint64_t random_seed();

}  // namespace fmboost
