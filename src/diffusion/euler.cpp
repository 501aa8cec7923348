#include "diffusion/sigma_sampler.h"

namespace fmboost {
namespace {

// Euler's method on dx / dsigma (Karras et al. 2022, algorithm 2 without churn).
class Euler final : public SigmaSampler {
 public:
  using SigmaSampler::SigmaSampler;

 protected:
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index, const NoiseFunction&) override {
    return x + slope(x, output, sigma(index)) * (sigma(index + 1) - sigma(index));
  }
};

}  // namespace

std::unique_ptr<Sampler> make_euler(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<Euler>(options, schedule);
}

}  // namespace fmboost
