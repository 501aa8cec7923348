"""Converts a diffusers scheduler configuration to a bundle's schedule, default sampler and prediction type."""

import dataclasses

import diffusers

from .errors import ModelError, one_line

# There is no PNDM sampler in fmboost: its schedule is used with DDIM.
SAMPLERS = {
    "PNDMScheduler": ("ddim", "DDIMScheduler"),
    "DDIMScheduler": ("ddim", "DDIMScheduler"),
    "LCMScheduler": ("lcm", "LCMScheduler"),
    "EulerDiscreteScheduler": ("euler", "EulerDiscreteScheduler"),
    "EulerAncestralDiscreteScheduler": ("euler-a", "EulerAncestralDiscreteScheduler"),
    "DPMSolverMultistepScheduler": ("dpm++2m", "DPMSolverMultistepScheduler"),
}

# The values that fmboost's samplers support; others would silently give different images.
SUPPORTED = {
    "beta_schedule": ("linear", "scaled_linear"),
    "prediction_type": ("epsilon", "v_prediction"),
    "trained_betas": (None,),
    "rescale_betas_zero_snr": (False,),
    "thresholding": (False,),
    "use_exponential_sigmas": (False,),
    "use_beta_sigmas": (False,),
    "use_lu_lambdas": (False,),
    "use_flow_sigmas": (False,),
    "algorithm_type": ("dpmsolver++",),
    "solver_order": (2,),
    "solver_type": ("midpoint",),
    "final_sigmas_type": ("zero",),
    "euler_at_final": (False,),
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "sigma_min": (None,),
    "sigma_max": (None,),
}

# LCM: 4 steps and, if guidance is an input of the network, the default of the authors' pipeline.
LCM_STEPS, LCM_EMBEDDED_GUIDANCE = 4, 8.5
STEPS, GUIDANCE = 25, 7.5


@dataclasses.dataclass
class Sampling:
    schedule: dict
    prediction: str
    sampler: str
    steps: int
    guidance: float
    karras: bool

    def fields(self):
        """The fields in the denoiser's entry of bundle.json."""
        return {
            "prediction": self.prediction,
            "schedule": self.schedule,
            "default_sampler": self.sampler,
            "default_steps": self.steps,
            "default_guidance": self.guidance,
            "default_karras": self.karras,
        }


def sampling_of(config, guidance_embedding, chosen=None):
    """`config`: scheduler_config.json; missing fields take the defaults of the diffusers class.

    `chosen`: default sampler, instead of the scheduler's.
    """
    name = config.get("_class_name")
    if name not in SAMPLERS:
        raise ModelError(f"the scheduler must be one of {', '.join(SAMPLERS)}; got {name}")
    sampler, class_name = SAMPLERS[name]
    given = {key: value for key, value in config.items() if not key.startswith("_")}
    try:
        full = getattr(diffusers, class_name).from_config(given).config
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(f"the scheduler configuration is not valid for {class_name}: {one_line(error)}") from None
    for field, values in SUPPORTED.items():
        if field in full and full[field] not in values:
            known = " or ".join(str(value) for value in values)
            raise ModelError(f"the scheduler's {field} must be {known}, got {full[field]}")
    if sampler == "lcm" and full["clip_sample"]:
        raise ModelError("the scheduler's clip_sample must be False, got True")
    schedule, default = _schedule(given, full, sampler), chosen or sampler
    lcm_guidance = LCM_EMBEDDED_GUIDANCE if guidance_embedding else 1.0
    return Sampling(
        schedule=schedule,
        prediction=full["prediction_type"],
        sampler=default,
        steps=LCM_STEPS if default == "lcm" else STEPS,
        guidance=lcm_guidance if default == "lcm" else GUIDANCE,
        karras=bool(full.get("use_karras_sigmas", False)) and default in ("euler", "dpm++2m"),
    )


def _schedule(given, full, sampler):
    schedule = {
        "beta_start": full["beta_start"],
        "beta_end": full["beta_end"],
        "beta_schedule": full["beta_schedule"],
        "train_steps": full["num_train_timesteps"],
        # diffusers' Stable Diffusion pipelines override the offset with 1; LCM's scheduler does not read it.
        "steps_offset": full.get("steps_offset", 0) if sampler == "lcm" else 1,
        "set_alpha_to_one": full.get("set_alpha_to_one", False),
    }
    # If it is missing, each sampler has its own default spacing.
    if given.get("timestep_spacing"):
        schedule["timestep_spacing"] = given["timestep_spacing"]
    if sampler == "lcm":
        schedule["original_steps"] = full["original_inference_steps"]
        schedule["timestep_scaling"] = full["timestep_scaling"]
    return schedule
