#include "diffusion/guidance.h"

#include <cmath>

namespace fmboost {

torch::Tensor guided_prediction(const torch::Tensor& x, double guidance,
                                const std::function<torch::Tensor(const torch::Tensor& twice)>& predict) {
  const auto halves = predict(torch::cat({x, x})).chunk(2);
  return halves[0] + guidance * (halves[1] - halves[0]);
}

torch::Tensor guidance_embedding(double guidance, int dim) {
  const int half = dim / 2;
  const torch::Tensor frequencies =
      torch::exp(torch::arange(half, torch::kFloat32) * (-std::log(10000.0) / (half - 1)));
  const torch::Tensor angles = ((guidance - 1) * 1000 * frequencies).unsqueeze(0);
  torch::Tensor embedding = torch::cat({angles.sin(), angles.cos()}, 1);
  return dim % 2 == 0 ? embedding : torch::constant_pad_nd(embedding, {0, 1});
}

}  // namespace fmboost
