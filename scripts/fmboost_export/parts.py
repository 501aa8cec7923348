"""Exports the networks of a source: traced, compared with the originals, stored."""

import dataclasses

import torch

from . import programs
from .files import sha256
from .tracing import compare, devices, operators, trace

# Traced where every size is odd and none repeats: diffusers decides in Python whether a size has to be passed to its
# upsamplers, and an even size would write down that it has not.
TRACED_SIZE = (9, 13)
CHECKED_SIZES = ((1, 8, 8), (3, 11, 6), (2, 16, 7))  # batch, height and width of latents


@dataclasses.dataclass
class Part:
    """What is needed to export one network."""

    file: str
    wrap: type  # of programs
    model: torch.nn.Module
    original: object  # inputs -> what the unchanged model gives
    example: tuple
    checks: list  # other inputs
    dtype: torch.dtype


def text_part(source, dtype):
    def ids(batch):
        generator = torch.Generator().manual_seed(batch)
        shape = (batch, source.tokenizer.max_length)
        return (torch.randint(0, source.text_encoder.config.vocab_size, shape, generator=generator),)

    clip = source.text_encoder
    original = lambda x: clip(x).last_hidden_state  # noqa: E731
    return Part("text_encoder.pt", programs.TextEncoder, clip, original, ids(2), [ids(1), ids(3)], dtype)


def denoiser_part(source, dtype):
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
    return Part("denoiser.pt", programs.Denoiser, source.unet, original, inputs(2, *TRACED_SIZE), checks, dtype)


def autoencoder_parts(source, dtype):
    vae, factor, channels = source.vae, autoencoder_factor(source.vae), source.vae.config.latent_channels

    def latent(batch, height, width):
        return (torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(batch)),)

    def pixels(batch, height, width):
        shape = (batch, 3, height * factor, width * factor)
        return (torch.rand(shape, generator=torch.Generator().manual_seed(batch)) * 2 - 1,)

    encode = lambda x: vae.encode(x).latent_dist.mode()  # noqa: E731
    decode = lambda z: vae.decode(z, return_dict=False)[0]  # noqa: E731
    for file, wrap, original, make in (
        ("autoencoder_encoder.pt", programs.Encoder, encode, pixels),
        ("autoencoder_decoder.pt", programs.Decoder, decode, latent),
    ):
        yield Part(file, wrap, vae, original, make(2, *TRACED_SIZE), [make(*s) for s in CHECKED_SIZES], dtype)


def autoencoder_factor(vae):
    return 2 ** (len(vae.config.block_out_channels) - 1)


def export_part(part, folder, say):
    """Writes the program into the folder. Returns its entry for bundle.json."""
    with torch.no_grad():
        references = [part.original(*inputs) for inputs in part.checks]  # before the wrapper changes the model
    program = trace(part.wrap(part.model), part.example, part.file)
    worst = max(compare(program, ref, x, part.file) for x, ref in zip(part.checks, references, strict=True))
    used = operators(program)
    path = folder / part.file
    torch.jit.save(program.to(part.dtype), str(path))
    del program
    check_stored(path, part, references)
    say(f"{part.file}: largest error {worst:.1e} in float32, {path.stat().st_size / 1e6:.1f} MB")
    return {"backend": "torchscript", "file": part.file, "sha256": sha256(path)}, used


def check_stored(path, part, references):
    """Runs the file as fmboost does: loaded, cast and moved, in every dtype on every device there is."""
    for device in devices():
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            program = torch.jit.load(str(path)).to(device, dtype)
            tolerance = 5e-2 if dtype == torch.float32 and (part.dtype != dtype or device != "cpu") else None
            # One size is enough here: the sizes were proved above, the graph is the same.
            compare(program, references[1], part.checks[1], part.file, dtype, device, tolerance)
