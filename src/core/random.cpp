#include "fmboost/core/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <random>

namespace fmboost {

at::Generator cpu_generator(std::uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

torch::Tensor gaussian_noise(at::IntArrayRef shape, at::Generator& generator) {
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat).device(at::kCPU));
}

std::uint64_t derive_seed(std::uint64_t seed, std::string_view stage) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, 64 bit
  for (const unsigned char byte : stage) {
    hash = (hash ^ byte) * 0x100000001b3ULL;
  }
  std::uint64_t mixed = seed + hash + 0x9e3779b97f4a7c15ULL;  // splitmix64, https://prng.di.unimi.it/splitmix64.c
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

std::uint64_t random_seed() {
  return std::random_device{}();
}

}  // namespace fmboost
