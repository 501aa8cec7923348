"""Coupling flow matching in plain PyTorch, transcribed from the project's description of its arithmetic.

It shares nothing with the C++ code or the exporter, so that the same mistake would have to be made twice.
"""

import math

import torch
from torch.nn import functional as F


class CfmReference:
    """The velocity network as a function of its tensors under their published names."""

    def __init__(self, tensors, config):
        self.tensors, self.config = {name: tensor.float() for name, tensor in tensors.items()}, config

    def _of(self, name):
        return self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]

    def _has(self, name):
        return f"{name}.weight" in self.tensors

    def _linear(self, name, x):
        return F.linear(x, *self._of(name))

    def _conv(self, name, x, **options):
        return F.conv2d(x, *self._of(name), **options)

    def _norm(self, name, x):
        return F.group_norm(x, 32, *self._of(name), eps=1e-5)

    def _embed(self, t):
        dim = self.config["model_channels"]
        half = dim // 2
        angles = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / half)
        return F.pad(torch.cat([angles.cos(), angles.sin()], 1), (0, dim % 2))

    def _res(self, name, x, embedding):
        h = self._conv(f"{name}.in_layers.2", F.silu(self._norm(f"{name}.in_layers.0", x)), padding=1)
        e = self._linear(f"{name}.emb_layers.1", F.silu(embedding))[:, :, None, None]
        if self.config["use_scale_shift_norm"]:
            scale, shift = e.chunk(2, 1)
            h = self._norm(f"{name}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = self._norm(f"{name}.out_layers.0", h + e)
        h = self._conv(f"{name}.out_layers.3", F.silu(h), padding=1)
        return h + (self._conv(f"{name}.skip_connection", x) if self._has(f"{name}.skip_connection") else x)

    def _attention(self, name, x, linear):
        b, c, height, width = x.shape
        tokens = x.reshape(b, c, height * width)
        qkv = F.conv1d(self._norm(f"{name}.norm", tokens), *self._of(f"{name}.qkv"))
        # A reshape of channels-first data, as published: it mixes heads, latent pixels and channels.
        q, k, v = qkv.reshape(b, self.config["num_heads"], height * width, -1).chunk(3, -1)
        if linear:
            context = torch.einsum("bhnd,bhne->bhde", k.softmax(2), v)
            out = torch.einsum("bhnd,bhde->bhne", q.softmax(3) / math.sqrt(q.shape[3]), context)
        else:
            out = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).softmax(3) @ v
        out = F.conv1d(out.reshape(b, -1, height * width), *self._of(f"{name}.proj_out"))
        return (tokens + out).reshape(x.shape)

    def _blocks(self, name, x, embedding):
        x = self._res(f"{name}.0", x, embedding)
        return self._attention(f"{name}.1", x, self.config["use_linear_attn"]) if self._has(f"{name}.1.qkv") else x

    def _down(self, name, x):
        if not self.config["conv_resample"]:
            return F.avg_pool2d(x, 2)
        return self._conv(f"{name}.0.op", x, stride=2, padding=1)

    def _up(self, name, x):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        name = next((f"{name}.{i}.conv" for i in (1, 2) if self._has(f"{name}.{i}.conv")), None)
        return self._conv(name, x, padding=1) if name else x

    def velocity(self, x, t, context=None):
        """v(x, t | context); t: one time per sample."""
        config, pooled = self.config, self.config["pool_factor"] > 1
        levels, blocks = len(config["channel_mult"]), config["num_res_blocks"]
        embedding = self._linear("time_embed.2", F.silu(self._linear("time_embed.0", self._embed(t))))
        h = x if context is None else torch.cat([x, context], 1)
        if pooled:
            h = self._conv("pool.down_conv", h, stride=config["pool_factor"])
        h = self._conv("input_blocks.0.0", h, padding=1)
        skips, index = [h], 1
        for level in range(levels):
            for _ in range(blocks):
                h = self._blocks(f"input_blocks.{index}", h, embedding)
                skips.append(h)
                index += 1
            if level < levels - 1:
                h = self._down(f"input_blocks.{index}", h)
                skips.append(h)
                index += 1
        h = self._res("middle_block.0", h, embedding)
        h = self._res("middle_block.2", self._attention("middle_block.1", h, linear=False), embedding)
        for index in range(levels * (blocks + 1)):
            h = self._blocks(f"output_blocks.{index}", torch.cat([h, skips.pop()], 1), embedding)
            if index % (blocks + 1) == blocks and index // (blocks + 1) < levels - 1:
                h = self._up(f"output_blocks.{index}", h)
        h = self._conv("out.2", F.silu(self._norm("out.0", h)), padding=1)
        weights = self._of("un_pool.up_conv") if pooled else None
        return F.conv_transpose2d(h, *weights, stride=config["pool_factor"]) if pooled else h


def noising_alpha_bar():
    """The cosine schedule of the coupling's noise, 1000 steps, at size 64."""
    u = torch.linspace(0, 1, 1000, dtype=torch.float64)
    return torch.sigmoid(-2 * torch.log(torch.tan(math.pi * u / 2) + 1e-5)).float()


def derived_seed(seed, stage):
    """The seed of a stage's noise: FNV-1a of its name, mixed with the image's seed by splitmix64."""
    mask, value = 2**64 - 1, 0xCBF29CE484222325
    for byte in stage.encode():
        value = (value ^ byte) * 0x100000001B3 & mask
    value = (seed + value + 0x9E3779B97F4A7C15) & mask
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & mask
    return value ^ (value >> 31)


def margins(side, unit, factor):
    """Reflection padding of at least four latent pixels per side, to a multiple of `unit`: (before, after) in pixels."""
    padded = -(-(side + 8 * factor) // unit) * unit
    before = (padded - side) // 2 // factor * factor
    return before, padded - side - before


def upscale(network, encode, decode, pixels, size, *, steps=4, noising_step=0, seed=0, factor=8):
    """Upscales with a coupling by pixel-space upsampling. Returns (padded latent, pixels). `encode` and `decode` work on
    scaled latents; `size` is (height, width)."""
    unit = factor * 2 ** (len(network.config["channel_mult"]) - 1) * max(network.config["pool_factor"], 1)
    (top, bottom), (left, right) = (margins(side, unit, factor) for side in size)
    large = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    context = encode(F.pad(large, (left, right, top, bottom), mode="reflect"))
    x = context
    if noising_step > 0:
        generator = torch.Generator().manual_seed(derived_seed(seed, "coupling-0"))
        alpha_bar = noising_alpha_bar()[noising_step]
        x = alpha_bar.sqrt() * context + (1 - alpha_bar).sqrt() * torch.randn(context.shape, generator=generator)
    for step in range(steps):  # Euler's method on dx/dt = v(x, t | context) from 0 to 1
        x = x + network.velocity(x, torch.full((len(x),), step / steps), context) / steps
    return x, decode(x)[:, :, top : top + size[0], left : left + size[1]]
