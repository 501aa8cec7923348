#include <cmath>

#include "fmboost/core/error.h"

#include "diffusion/samplers.h"

namespace fmboost {
namespace {

// Trajectory consistency sampling (Zheng et al. 2024, arXiv 2402.19159, algorithm 4): a deterministic step below the
// next timestep, to (1 - eta) of it, then fresh noise up to it.
class Tcd final : public Sampler {
 public:
  Tcd(const SamplerOptions& options, const NoiseSchedule& schedule)
      : prediction_(options.prediction),
        eta_(options.eta),
        schedule_(schedule),
        timesteps_(distilled_timesteps(options, schedule)) {
    if (!(eta_ >= 0 && eta_ <= 1)) {
      throw UsageError(c10::str("`eta` must be from 0 to 1, got ", eta_));
    }
  }

  const std::vector<double>& timesteps() const override { return timesteps_; }
  double init_noise_sigma() const override { return 1.0; }
  bool draws_noise() const override { return eta_ > 0 && timesteps_.size() > 1; }

 protected:
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& output, int index,
                     const NoiseFunction& noise) override {
    const auto position = static_cast<std::size_t>(index);
    const bool last = position + 1 == timesteps_.size();
    const double next = last ? 0.0 : timesteps_[position + 1];
    // In float32, as in diffusers: the last bit decides about the floor.
    const float kept = static_cast<float>(1 - eta_) * static_cast<float>(next);
    const double below = schedule_.alpha_bar(static_cast<int>(std::floor(kept)));
    const auto now = static_cast<int>(timesteps_[position]);
    const auto [clean, predicted] = split_prediction(x, output, schedule_.alpha_bar(now), prediction_);
    torch::Tensor result = std::sqrt(below) * clean + std::sqrt(1 - below) * predicted;
    if (last || eta_ == 0) {
      return result;
    }
    const double ratio = schedule_.alpha_bar(static_cast<int>(next)) / below;
    return std::sqrt(ratio) * result + std::sqrt(1 - ratio) * noise();
  }

 private:
  Prediction prediction_;
  double eta_;
  NoiseSchedule schedule_;
  std::vector<double> timesteps_;
};

}  // namespace

std::unique_ptr<Sampler> make_tcd(const SamplerOptions& options, const NoiseSchedule& schedule) {
  return std::make_unique<Tcd>(options, schedule);
}

}  // namespace fmboost
