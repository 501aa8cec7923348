#pragma once

#include "fmboost/flow/ode_solver.h"

#include "reference.h"

namespace fmboost::parity {

/// v(t, x) = A x + cos(3 t) b - t sin(x) / 2, with A (C, C) and b (C) on the channels of x (B, C, ...).
VelocityField flow_field(const torch::Tensor& a, const torch::Tensor& b);

/// The same from the file's field.A and field.b.
VelocityField flow_field(Reference& reference);

}  // namespace fmboost::parity
