#include <cmath>

#include "diffusion/sigma_sampler.h"

namespace fmboost {
namespace {

// A step to below the next noise level, then fresh noise up to it. The last step also draws, with weight 0, so that the
// state of the generator matches diffusers.
class EulerAncestral final : public SigmaSampler {
 public:
  using SigmaSampler::SigmaSampler;
  bool draws_noise() const override { return true; }

 protected:
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index,
                     const NoiseFunction& noise) override {
    const double from = sigma(index);
    const double to = sigma(index + 1);
    const double up = std::sqrt(to * to * (from * from - to * to) / (from * from));
    const double down = std::sqrt(to * to - up * up);
    return x + slope(x, output, from) * (down - from) + noise() * up;
  }
};

}  // namespace

std::unique_ptr<Sampler> make_euler_ancestral(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<EulerAncestral>(options, schedule);
}

}  // namespace fmboost
