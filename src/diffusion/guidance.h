#pragma once

#include <functional>
#include <torch/types.h>

namespace fmboost {

/// Classifier-free guidance (Ho & Salimans 2022): e = e_uncond + w (e_cond - e_uncond), both in one batch,
/// unconditional first. `predict` gets x twice along the batch and returns the predictions in that order.
torch::Tensor guided_prediction(const torch::Tensor& x, double guidance,
                                const std::function<torch::Tensor(const torch::Tensor& twice)>& predict);

/// The sinusoidal embedding of w = (guidance - 1) * 1000 that distilled LCM denoisers take: (1, dim), float32, sines
/// first, frequencies exp(-ln(10000) i / (dim/2 - 1)). Luo et al. 2023, arXiv 2310.04378.
torch::Tensor guidance_embedding(double guidance, int dim);

}  // namespace fmboost
