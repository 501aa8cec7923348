#include "flow_field.h"

#include <cmath>

namespace fmboost::parity {

VelocityField flow_field(const torch::Tensor& a, const torch::Tensor& b) {
  return [a, b](double t, const torch::Tensor& x) {
    const torch::Tensor positions = x.flatten(2);
    const torch::Tensor linear = torch::matmul(a, positions) + std::cos(3 * t) * b.unsqueeze(1);
    return (linear - 0.5 * t * torch::sin(positions)).view_as(x);
  };
}

VelocityField flow_field(Reference& reference) {
  return flow_field(reference.input("field.A"), reference.input("field.b"));
}

}  // namespace fmboost::parity
