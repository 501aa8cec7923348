"""The text encoder and the denoiser of the default model.

The denoiser is a UNet after Stable Diffusion's pattern on latents (B, C, h, w), h and w multiples of 8: residual blocks that
the time scales and shifts, attention over places and over the words. It works on sites of 2x2 latents, since f4 latents have
four times the sites that a text model of this size can afford.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

SITE = 2  # latents a side that the denoiser sees as one place


class TextEncoder(nn.Module):
    """(B, length) int64 -> (B, length, width): a small transformer over words."""

    def __init__(self, words, length=48, width=128, layers=2, heads=4):
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(words, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.02)
        self.layers = nn.ModuleList([TextLayer(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, ids):
        x = self.embedding(ids) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def attend(q, k, v, heads):
    """(B, N, C), (B, M, C), (B, M, C) -> (B, N, C)"""
    split = lambda x: x.unflatten(2, (heads, -1)).transpose(1, 2)  # noqa: E731
    return F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).flatten(2)


class TextLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, 2)
        x = x + self.proj(attend(q, k, v, self.heads))
        return x + self.mlp(self.norm2(x))


class TimeEmbedding(nn.Module):
    """Sines and cosines of the timestep. The indices are an integer buffer, so that casting the module leaves them exact."""

    def __init__(self, channels, width):
        super().__init__()
        self.half = channels // 2
        self.register_buffer("index", torch.arange(self.half), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timestep):
        frequency = (self.index.float() * (-math.log(10000) / self.half)).exp()
        angle = timestep.float()[:, None] * frequency[None]
        return self.mlp(torch.cat([angle.cos(), angle.sin()], 1).type_as(self.mlp[0].weight))


def zeroed(layer):
    """A layer that begins as nothing, so that its block begins as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResBlock(nn.Module):
    def __init__(self, channels_in, channels, time_width):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(32, channels_in), nn.Conv2d(channels_in, channels, 3, padding=1)
        self.time = nn.Linear(time_width, 2 * channels)
        self.norm2, self.conv2 = nn.GroupNorm(32, channels), zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x, time, text):
        scale, shift = self.time(F.silu(time))[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class AttentionBlock(nn.Module):
    """Every place looks at all others, then at the words."""

    def __init__(self, channels, text_width, heads=4):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.GroupNorm(32, channels), nn.LayerNorm(channels)
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), zeroed(nn.Linear(channels, channels))
        self.q, self.kv = nn.Linear(channels, channels), nn.Linear(text_width, 2 * channels)
        self.text_proj = zeroed(nn.Linear(channels, channels))

    def forward(self, x, time, text):
        h = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(x).flatten(2).transpose(1, 2)).chunk(3, 2)
        h = h + self.proj(attend(q, k, v, self.heads))
        k, v = self.kv(text).chunk(2, 2)
        h = h + self.text_proj(attend(self.q(self.norm2(h)), k, v, self.heads))
        return h.transpose(1, 2).reshape(x.shape)


class Resize(nn.Module):
    """Half or double the places."""

    def __init__(self, channels, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, stride=1 if up else 2)

    def forward(self, x, time, text):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class Denoiser(nn.Module):
    """(B, C, h, w), (B,) timesteps of 1000, (B, length, width) -> the velocity v = sqrt(a) noise - sqrt(1 - a) latent."""

    def __init__(self, latent_channels=16, channels=64, multiples=(1, 2, 3), blocks=1, text_width=128):
        super().__init__()
        inside, time_width = latent_channels * SITE * SITE, 4 * channels
        self.time = TimeEmbedding(channels, time_width)
        self.conv_in = nn.Conv2d(inside, channels, 3, padding=1)
        widths, now = [channels], channels
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, multiple in enumerate(multiples):
            for _ in range(blocks):
                self.down.append(self.stage(level, now, multiple * channels, time_width, text_width))
                now = multiple * channels
                widths.append(now)
            if level + 1 < len(multiples):
                self.down.append(nn.ModuleList([Resize(now, up=False)]))
                widths.append(now)
        self.middle = nn.ModuleList(
            [ResBlock(now, now, time_width), AttentionBlock(now, text_width), ResBlock(now, now, time_width)]
        )
        for level, multiple in reversed(list(enumerate(multiples))):
            for block in range(blocks + 1):
                stage = self.stage(level, now + widths.pop(), multiple * channels, time_width, text_width)
                now = multiple * channels
                if level > 0 and block == blocks:
                    stage.append(Resize(now, up=True))
                self.up.append(stage)
        self.norm_out, self.conv_out = nn.GroupNorm(32, now), zeroed(nn.Conv2d(now, inside, 3, padding=1))

    @staticmethod
    def stage(level, channels_in, channels, time_width, text_width):
        """The finest level has no attention: most places, least to say, and most of the time."""
        block = ResBlock(channels_in, channels, time_width)
        return nn.ModuleList([block] if level == 0 else [block, AttentionBlock(channels, text_width)])

    def forward(self, latent, timestep, text):
        time = self.time(timestep)
        x = self.conv_in(F.pixel_unshuffle(latent, SITE))
        kept = [x]
        for stage in self.down:
            for layer in stage:
                x = layer(x, time, text)
            kept.append(x)
        for layer in self.middle:
            x = layer(x, time, text)
        for stage in self.up:
            x = torch.cat([x, kept.pop()], 1)
            for layer in stage:
                x = layer(x, time, text)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), SITE)


class TextModel(nn.Module):
    def __init__(self, words, latent_channels=16):
        super().__init__()
        self.text_encoder = TextEncoder(words)
        self.denoiser = Denoiser(latent_channels)
