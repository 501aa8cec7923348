"""The steps of fmboost's samplers, for trainings of the text model and for redrawing."""

import torch
from captioned_latents import noised_to
from torch.nn.attention import SDPBackend, sdpa_kernel
from training import autocast

ORIGINAL_STEPS = 50  # fmboost's LCM sampler takes its timesteps from these
STEP_COUNTS = (4, 6)  # of the LCM sampler, which trainings walk: the model must draw well with both
DRAWING_STEPS = 16  # of the bundle, on the finer schedule: the last of them see outlines and textures; 25 show less of a caption
LEARNS_BELOW = 800  # timesteps that learn on a walk: before, there is hardly anything but noise, and sky and ground are right
# DDIM keeps the noise of the start, and in it the model sees again what it saw at first, two suns or a torn boat; in the fresh
# noise of LCM's steps it finds one of them, and whole.
SAMPLING = {"default_sampler": "lcm", "default_steps": DRAWING_STEPS, "default_guidance": 1.0}  # guidance finds no more


def lcm_timesteps(steps):
    """Of fmboost's LCM sampler, falling."""
    return tuple((ORIGINAL_STEPS - ORIGINAL_STEPS * i // steps) * (1000 // ORIGINAL_STEPS) - 1 for i in range(steps))


LCM_STEPS = lcm_timesteps(STEP_COUNTS[-1])


def velocity_of(model, noised, timestep, text):
    """The denoiser's answer in float32, whatever it works in."""
    with autocast(noised), sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        return model.denoiser(noised, timestep.float(), text).float()


def share_at(shares, timestep):
    """The signal's share at timesteps (B,), shaped to be multiplied with latents."""
    return shares[timestep][:, None, None, None]


def clean_of(x, velocity, a):
    """The clean latent that a velocity tells of, at the signal's share a."""
    return a.sqrt() * x - (1 - a).sqrt() * velocity


def ddim_step(x, velocity, a, b):
    """From the signal's share a to b: the clean latent and the noise that the velocity tells of, mixed anew."""
    noise = (1 - a).sqrt() * x + a.sqrt() * velocity
    return b.sqrt() * clean_of(x, velocity, a) + (1 - b).sqrt() * noise


def guided_velocity(model, x, timestep, text, null, guidance):
    """Classifier-free guidance, both evaluations at once."""
    told, untold = velocity_of(model, torch.cat([x, x]), timestep.repeat(2), torch.cat([text, null])).chunk(2)
    return untold + guidance * (told - untold)


def walk(model, noise, text, shares, timesteps):
    """The LCM sampler's steps from `noise`, or from a latent that is noised to the first of other timesteps, without guidance:
    [(timestep, x, clean latents that the model sees in it)]. The last of these are what is drawn. Gradients go back through
    the timesteps that learn."""
    x, steps = noise, []
    for i, now in enumerate(timesteps):
        a = shares[now]
        with torch.set_grad_enabled(torch.is_grad_enabled() and now < LEARNS_BELOW):
            clean = clean_of(x, velocity_of(model, x, torch.full((len(x),), now, device=x.device), text), a)
        steps.append((now, x, clean))
        if i + 1 < len(timesteps):
            x = noised_to(clean, shares[timesteps[i + 1]])
    return steps
