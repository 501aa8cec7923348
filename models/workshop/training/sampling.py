"""The steps of fmboost's samplers, for training the text model and for redrawing images."""

import torch
from captioned_latents import noised_to
from torch.nn.attention import SDPBackend, sdpa_kernel
from training import autocast

ORIGINAL_STEPS = 50  # fmboost's LCM sampler chooses among these timesteps
STEP_COUNTS = (4, 6)  # of the LCM sampler in training rollouts: the model must work well with both
DRAWING_STEPS = 16  # of the bundle, on the finer schedule: the last refine outlines and textures; 25 follow captions less well
LEARNS_BELOW = 800  # timesteps with gradients in a rollout; above there is little but noise, and sky and ground are right
# DDIM keeps its initial noise, in which the model finds its first mistakes again (two suns, a torn boat); the fresh noise of
# LCM's steps lets it correct them.
# Guidance does not improve caption scores.
SAMPLING = {"default_sampler": "lcm", "default_steps": DRAWING_STEPS, "default_guidance": 1.0}


def lcm_timesteps(steps):
    """The timesteps of fmboost's LCM sampler, in descending order."""
    return tuple((ORIGINAL_STEPS - ORIGINAL_STEPS * i // steps) * (1000 // ORIGINAL_STEPS) - 1 for i in range(steps))


LCM_STEPS = lcm_timesteps(STEP_COUNTS[-1])


def velocity_of(model, noised, timestep, text):
    """The denoiser's output in float32, whatever precision it computes in."""
    with autocast(noised), sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        return model.denoiser(noised, timestep.float(), text).float()


def share_at(shares, timestep):
    """The signal share at timesteps (B,), shaped to broadcast with latents."""
    return shares[timestep][:, None, None, None]


def clean_of(x, velocity, a):
    """The clean latent implied by a velocity at signal share a."""
    return a.sqrt() * x - (1 - a).sqrt() * velocity


def ddim_step(x, velocity, a, b):
    """A DDIM step from signal share a to b: remixes the clean latent and the noise implied by the velocity."""
    noise = (1 - a).sqrt() * x + a.sqrt() * velocity
    return b.sqrt() * clean_of(x, velocity, a) + (1 - b).sqrt() * noise


def guided_velocity(model, x, timestep, text, null, guidance):
    """Classifier-free guidance with both evaluations in one batch."""
    conditional, unconditional = velocity_of(model, torch.cat([x, x]), timestep.repeat(2), torch.cat([text, null])).chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def rollout(model, noise, text, shares, timesteps):
    """The LCM sampler's steps without guidance from `noise`, or from latents noised to the first of `timesteps`:
    [(timestep, x, predicted clean latents)]. The last prediction is the generated image. Gradients flow through the
    timesteps below LEARNS_BELOW."""
    x, steps = noise, []
    for i, now in enumerate(timesteps):
        a = shares[now]
        with torch.set_grad_enabled(torch.is_grad_enabled() and now < LEARNS_BELOW):
            clean = clean_of(x, velocity_of(model, x, torch.full((len(x),), now, device=x.device), text), a)
        steps.append((now, x, clean))
        if i + 1 < len(timesteps):
            x = noised_to(clean, shares[timesteps[i + 1]])
    return steps
