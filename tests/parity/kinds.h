#pragma once

#include <nlohmann/json_fwd.hpp>

#include "reference.h"
#include "report.h"

namespace fmboost::parity {

/// Errors allowed in float32, as max|difference| / max|reference|.
inline constexpr double kNetworkTolerance = 1e-4;
inline constexpr double kSamplerTolerance = 1e-5;
inline constexpr double kFixedGridTolerance = 1e-5;
/// torchdiffeq's adaptive solvers step past the last time and interpolate; ours land on it.
inline constexpr double kAdaptiveTolerance = 5e-2;

/// One function a kind of file. They throw Error on what they do not understand.
void replay_cfm_unet(Reference& reference, Report& report);
void replay_forward_diffusion(Reference& reference, Report& report);
void replay_interpolants(Reference& reference, Report& report);
void replay_ode(Reference& reference, Report& report);
void replay_sampler(Reference& reference, Report& report);
void replay_sde(Reference& reference, Report& report);
void replay_training_schedules(const nlohmann::json& schedules, Report& report);

}  // namespace fmboost::parity
