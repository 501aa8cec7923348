#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace fmboost::drawing {

/// Random numbers that are the same with every standard library, whose distributions differ: xoshiro256++ (Blackman and
/// Vigna 2019, https://prng.di.unimi.it/xoshiro256plusplus.c), its state filled by splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  /// A stream of its own for one part of an image: a part that draws more numbers then leaves the others as they are.
  Random(std::uint64_t seed, std::string_view part);

  std::uint64_t next();
  /// Evenly from [0, 1), with 53 bits.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Evenly in the logarithm from [low, high), both above 0.
  double log_uniform(double low, double high);
  /// A whole number of 0 .. count - 1.
  int below(int count);
  /// A whole number of low .. high, both included.
  int integer(int low, int high) { return low + below(high - low + 1); }
  bool chance(double probability) { return uniform() < probability; }
  double normal();
  /// Mean 1.
  double exponential();
  /// Within 0 .. 1, shaped much like a beta distribution, but with an inverse that can be written down (Kumaraswamy).
  double kumaraswamy(double a, double b);

  template <typename Container>
  const auto& choice(const Container& values) {
    return *(std::begin(values) + below(static_cast<int>(std::size(values))));
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace fmboost::drawing
