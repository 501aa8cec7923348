"""A diffusers scheduler configuration as a bundle's schedule, default sampler and prediction type."""

import dataclasses

import diffusers

from .errors import ModelError, one_line

# PNDM has no sampler here: the same schedule is run with DDIM.
SAMPLERS = {
    "PNDMScheduler": ("ddim", "DDIMScheduler"),
    "DDIMScheduler": ("ddim", "DDIMScheduler"),
    "LCMScheduler": ("lcm", "LCMScheduler"),
    "EulerDiscreteScheduler": ("euler", "EulerDiscreteScheduler"),
    "EulerAncestralDiscreteScheduler": ("euler-a", "EulerAncestralDiscreteScheduler"),
    "DPMSolverMultistepScheduler": ("dpm++2m", "DPMSolverMultistepScheduler"),
}

# What the samplers compute; a configuration that asks for something else would give other images silently.
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

# LCM's own: 4 steps, and where guidance is an input of the network the value its authors' pipeline takes.
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
        """The denoiser entry's part that this is."""
        return {
            "prediction": self.prediction,
            "schedule": self.schedule,
            "default_sampler": self.sampler,
            "default_steps": self.steps,
            "default_guidance": self.guidance,
            "default_karras": self.karras,
        }


def sampling_of(config, guidance_embedding, chosen=None):
    """`config`: scheduler_config.json; fields it leaves open take the defaults of the diffusers class.

    `chosen`: another sampler to be the default.
    """
    name = config.get("_class_name")
    if name not in SAMPLERS:
        raise ModelError(f"the scheduler must be one of {', '.join(SAMPLERS)}; it is {name}")
    sampler, class_name = SAMPLERS[name]
    given = {key: value for key, value in config.items() if not key.startswith("_")}
    try:
        full = getattr(diffusers, class_name).from_config(given).config
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(f"the scheduler configuration is not one of a {class_name}: {one_line(error)}") from None
    for field, values in SUPPORTED.items():
        if field in full and full[field] not in values:
            known = " or ".join(str(value) for value in values)
            raise ModelError(f"the scheduler's {field} must be {known}, it is {full[field]}")
    if sampler == "lcm" and full["clip_sample"]:
        raise ModelError("the scheduler's clip_sample must be False, it is True")
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
        # diffusers' Stable Diffusion pipelines set the offset to 1, whatever the file says; LCM's does not read it.
        "steps_offset": full.get("steps_offset", 0) if sampler == "lcm" else 1,
        "set_alpha_to_one": full.get("set_alpha_to_one", False),
    }
    # Left open, the spacing is the default of whatever sampler is in use, which differs from one to the next.
    if given.get("timestep_spacing"):
        schedule["timestep_spacing"] = given["timestep_spacing"]
    if sampler == "lcm":
        schedule["original_steps"] = full["original_inference_steps"]
        schedule["timestep_scaling"] = full["timestep_scaling"]
    return schedule
