#include "drawing/random.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace fmboost::drawing {
namespace {

std::uint64_t splitmix64(std::uint64_t& state) {
  std::uint64_t mixed = state += 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const unsigned char byte : text) {
    hash = (hash ^ byte) * 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) {
    word = splitmix64(seed);
  }
}

// Mixed before the seed is added: otherwise neighboring seeds would share streams between parts.
Random::Random(std::uint64_t seed, std::string_view part) : Random(splitmix64(seed) ^ fnv1a(part)) {}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

double Random::log_uniform(double low, double high) {
  return low * std::pow(high / low, uniform());
}

int Random::below(int count) {
  return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(count)) >> 32);
}

double Random::normal() {
  const double radius = std::sqrt(2 * exponential());  // Box-Muller; the second number is discarded
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Random::exponential() {
  return -std::log1p(-uniform());
}

double Random::kumaraswamy(double a, double b) {
  return std::pow(1 - std::pow(1 - uniform(), 1 / b), 1 / a);
}

}  // namespace fmboost::drawing
