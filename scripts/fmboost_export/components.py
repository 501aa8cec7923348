"""Exports the networks of a source: traces them, compares them with the originals and stores them."""

import dataclasses

import torch

from . import wrappers
from .files import sha256
from .tracing import compare, devices, operators, trace

# All sizes are odd and distinct: diffusers decides in Python whether its upsamplers need an explicit size, and tracing an
# even size would record that they do not.
TRACED_SIZE = (9, 13)
CHECKED_SIZES = ((1, 8, 8), (3, 11, 6), (2, 16, 7))  # batch, height and width of latents


@dataclasses.dataclass
class Component:
    """One network to export."""

    file: str
    wrap: type  # a class of wrappers.py
    model: torch.nn.Module
    original: object  # inputs -> output of the unchanged model
    example: tuple
    checks: list  # other inputs
    dtype: torch.dtype


def text_component(source, dtype):
    def ids(batch):
        generator = torch.Generator().manual_seed(batch)
        shape = (batch, source.tokenizer.max_length)
        return (torch.randint(0, source.text_encoder.config.vocab_size, shape, generator=generator),)

    clip = source.text_encoder
    original = lambda x: clip(x).last_hidden_state  # noqa: E731
    return Component("text_encoder.pt", wrappers.TextEncoder, clip, original, ids(2), [ids(1), ids(3)], dtype)


def denoiser_component(source, dtype):
    config = source.unet.config
    width = source.text_encoder.config.hidden_size

    def inputs(batch, height, width_):
        generator = torch.Generator().manual_seed(batch)
        normal = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
        x = (normal(batch, config.in_channels, height, width_), 999 * torch.rand(batch, generator=generator))
        guidance = (normal(batch, config.time_cond_proj_dim),) if config.time_cond_proj_dim else ()
        return (*x, normal(batch, source.tokenizer.max_length, width), *guidance)

    def original(x, timestep, text, guidance=None):
        return source.unet(x, timestep, text, timestep_cond=guidance, return_dict=False)[0]

    checks = [inputs(*size) for size in CHECKED_SIZES]
    return Component("denoiser.pt", wrappers.Denoiser, source.unet, original, inputs(2, *TRACED_SIZE), checks, dtype)


def autoencoder_components(source, dtype):
    vae, factor, channels = source.vae, autoencoder_factor(source.vae), source.vae.config.latent_channels

    def latent(batch, height, width):
        return (torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(batch)),)

    def pixels(batch, height, width):
        shape = (batch, 3, height * factor, width * factor)
        return (torch.rand(shape, generator=torch.Generator().manual_seed(batch)) * 2 - 1,)

    encode = lambda x: vae.encode(x).latent_dist.mode()  # noqa: E731
    decode = lambda z: vae.decode(z, return_dict=False)[0]  # noqa: E731
    for file, wrap, original, make in (
        ("autoencoder_encoder.pt", wrappers.Encoder, encode, pixels),
        ("autoencoder_decoder.pt", wrappers.Decoder, decode, latent),
    ):
        yield Component(file, wrap, vae, original, make(2, *TRACED_SIZE), [make(*s) for s in CHECKED_SIZES], dtype)


def autoencoder_factor(vae):
    return 2 ** (len(vae.config.block_out_channels) - 1)


def export_component(component, folder, say):
    """Writes the TorchScript module into the folder. Returns its entry for bundle.json."""
    with torch.no_grad():
        references = [component.original(*inputs) for inputs in component.checks]  # before the wrapper modifies the model
    module = trace(component.wrap(component.model), component.example, component.file)
    worst = max(compare(module, ref, x, component.file) for x, ref in zip(component.checks, references, strict=True))
    used = operators(module)
    path = folder / component.file
    torch.jit.save(module.to(component.dtype), str(path))
    del module
    check_stored(path, component, references)
    say(f"{component.file}: largest error {worst:.1e} in float32, {path.stat().st_size / 1e6:.1f} MB")
    return {"backend": "torchscript", "file": component.file, "sha256": sha256(path)}, used


def check_stored(path, component, references):
    """Runs the file as fmboost does: loaded, cast and moved, in every dtype on every available device."""
    for device in devices():
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            module = torch.jit.load(str(path)).to(device, dtype)
            tolerance = 5e-2 if dtype == torch.float32 and (component.dtype != dtype or device != "cpu") else None
            # One size is enough here: other sizes were checked before, with the same graph.
            compare(module, references[1], component.checks[1], component.file, dtype, device, tolerance)
