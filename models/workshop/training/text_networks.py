"""The text encoder and the denoiser of the default model.

The denoiser is a UNet modeled on Stable Diffusion's, for latents (B, C, h, w) with h and w multiples of 8: residual blocks
scaled and shifted by the time embedding, self-attention, and cross-attention to the words. It works on patches of 2x2 latent
pixels, since an f4 latent has four times as many pixels as a model of this size can afford. Skip connections are added, not
concatenated, and upsampling is a pixel shuffle: half the arithmetic for the same widths. Few channels per value of a patch
cannot carry all fine detail at low noise, so an optional small network at full latent resolution can refine the output
(fine_blocks).
"""

import json
import math

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

WIDTHS = (96, 192, 224)  # channels of the denoiser's levels, from fine to coarse
PATCH = 2  # side of the denoiser's patches in latent pixels
RIDGE = 1e-4  # ridge of the least squares: keeps weights small for nearly equal waves
HEADS = 4  # heads of the denoiser's attention


class TextEncoder(nn.Module):
    """A small transformer over words: (B, length) int64 -> (B, length, width)."""

    def __init__(self, words, length=48, width=128, layers=2, heads=4):
        super().__init__()
        self.configuration = {"words": words, "length": length, "width": width, "layers": layers, "heads": heads}
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
    """Sinusoidal embedding of the timestep. The indices are an integer buffer, so that casting the module keeps them exact."""

    def __init__(self, channels, width):
        super().__init__()
        self.half = channels // 2
        self.register_buffer("index", torch.arange(self.half), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))

    def waves(self, timestep):
        frequency = (self.index.float() * (-math.log(10000) / self.half)).exp()
        angle = timestep.float()[:, None] * frequency[None]
        return torch.cat([angle.cos(), angle.sin()], 1).type_as(self.mlp[0].weight)

    def forward(self, timestep):
        return self.mlp(self.waves(timestep))


def retime(time, old, steps=500):
    """Refits a time embedding so that its output at every timestep is its former output at timesteps `old` (N,): adapts a
    network to another schedule. Fits the first layer by least squares, then both layers by `steps` steps of Adam. Returns the
    relative error."""
    now = torch.arange(len(old), device=old.device)
    with torch.no_grad():
        wanted, before = time(old), time.mlp[0](time.waves(old))
        waves = torch.cat([time.waves(now), torch.ones_like(now.float())[:, None]], 1).double()
        ridge = RIDGE * torch.eye(waves.shape[1], dtype=waves.dtype, device=waves.device)
        layer = torch.linalg.solve(waves.T @ waves + ridge, waves.T @ before.double())
        time.mlp[0].weight.copy_(layer[:-1].T)
        time.mlp[0].bias.copy_(layer[-1])
    optimizer = torch.optim.Adam(time.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = F.mse_loss(time(now), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item() / wanted.var().item()


def zeroed(layer):
    """Zero-initializes a layer, so that its block starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResBlock(nn.Module):
    def __init__(self, channels, time_width):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(32, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.time = nn.Linear(time_width, 2 * channels)
        self.norm2, self.conv2 = nn.GroupNorm(32, channels), zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x, time, text):
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class AttentionBlock(nn.Module):
    """Self-attention, cross-attention to the words, and an MLP."""

    def __init__(self, channels, text_width):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), zeroed(nn.Linear(channels, channels))
        self.q, self.kv = nn.Linear(channels, channels), nn.Linear(text_width, 2 * channels)
        self.text_proj = zeroed(nn.Linear(channels, channels))
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), zeroed(nn.Linear(2 * channels, channels))
        )

    def forward(self, x, time, text):
        h = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(h)).chunk(3, 2)
        h = h + self.proj(attend(q, k, v, HEADS))
        k, v = self.kv(text).chunk(2, 2)
        h = h + self.text_proj(attend(self.q(self.norm2(h)), k, v, HEADS))
        h = h + self.mlp(self.norm3(h))
        return h.transpose(1, 2).reshape(x.shape)


class Level(nn.Module):
    """The blocks of one resolution; the finest has no attention, which would cost most and help least there."""

    def __init__(self, channels, blocks, attention, time_width, text_width):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(blocks):
            self.layers.append(ResBlock(channels, time_width))
            if attention:
                self.layers.append(AttentionBlock(channels, text_width))

    def forward(self, x, time, text):
        for layer in self.layers:
            x = layer(x, time, text)
        return x


class FineBlock(nn.Module):
    """A residual block without normalization, which would weaken outlines: they are the largest values of a latent."""

    def __init__(self, channels, time_width):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.time = nn.Linear(time_width, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, time):
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        return x + self.conv2(F.silu(self.conv1(F.silu(x)) * (1 + scale) + shift))


class Fine(nn.Module):
    """A correction of the velocity at each latent pixel, from the latent and the features of its patch; initially zero."""

    def __init__(self, latent_channels, channels, blocks, patch_channels, time_width):
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, channels, 3, padding=1)
        self.from_patch = nn.Conv2d(patch_channels, channels * PATCH * PATCH, 1)
        self.blocks = nn.ModuleList([FineBlock(channels, time_width) for _ in range(blocks)])
        self.conv_out = zeroed(nn.Conv2d(channels, latent_channels, 3, padding=1))

    def forward(self, latent, patches, time):
        x = self.conv_in(latent) + F.pixel_shuffle(self.from_patch(patches), PATCH)
        for block in self.blocks:
            x = block(x, time)
        return self.conv_out(x)


class Denoiser(nn.Module):
    """(B, C, h, w), (B,) timesteps of 1000, (B, length, width) -> the velocity v = sqrt(a) noise - sqrt(1 - a) latent."""

    def __init__(self, latent_channels=16, widths=WIDTHS, down=(2, 1, 1), up=(2, 2, 2), text_width=128,
                 fine_channels=64, fine_blocks=0):  # fmt: skip
        """`fine_blocks`: number of blocks of the full-resolution network; 0 omits it."""
        super().__init__()
        self.configuration = {
            "latent_channels": latent_channels, "widths": list(widths), "down": list(down), "up": list(up),
            "text_width": text_width, "heads": HEADS, "fine_channels": fine_channels, "fine_blocks": fine_blocks,
        }  # fmt: skip
        inside, time_width = latent_channels * PATCH * PATCH, 4 * widths[0]
        self.time, self.text = TimeEmbedding(widths[0], time_width), nn.Linear(text_width, time_width)
        self.conv_in = nn.Conv2d(inside, widths[0], 1)
        level = lambda i, blocks: Level(widths[i], blocks[i], i > 0, time_width, text_width)  # noqa: E731
        steps = list(zip(widths, widths[1:]))
        self.down = nn.ModuleList([level(i, down) for i in range(len(widths))])
        self.reduce = nn.ModuleList([nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in steps])
        self.up = nn.ModuleList([level(i, up) for i in range(len(widths))])
        self.enlarge = nn.ModuleList([nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps])
        self.norm_out, self.conv_out = nn.GroupNorm(32, widths[0]), zeroed(nn.Conv2d(widths[0], inside, 1))
        self.fine = Fine(latent_channels, fine_channels, fine_blocks, widths[0], time_width) if fine_blocks > 0 else None

    def forward(self, latent, timestep, text):
        time = F.silu(self.time(timestep) + self.text(text.mean(1)))
        x = self.conv_in(F.pixel_unshuffle(latent, PATCH))
        kept = []
        for i, level in enumerate(self.down):
            x = level(self.reduce[i - 1](x) if i > 0 else x, time, text)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x + kept[i] if i + 1 < len(self.up) else x, time, text)
            if i > 0:
                x = F.pixel_shuffle(self.enlarge[i - 1](x), 2)
        x = F.silu(self.norm_out(x))
        velocity = F.pixel_shuffle(self.conv_out(x), PATCH)
        return velocity + self.fine(latent, x, time) if self.fine else velocity


OUTER_LAYERS = ("text_encoder.position", "denoiser.conv_in", "denoiser.conv_out", "denoiser.time", "denoiser.text",
                "denoiser.fine.conv_in", "denoiser.fine.conv_out")  # fmt: skip


class TextModel(nn.Module):
    def __init__(self, words, latent_channels=16, widths=WIDTHS):
        super().__init__()
        self.text_encoder = TextEncoder(words)
        self.denoiser = Denoiser(latent_channels, widths)

    def metadata(self):
        """Metadata for a weight file, from which load_text_model restores the architecture."""
        return {"widths": json.dumps(self.denoiser.configuration["widths"])}


def load_text_model(path, words, latent_channels=16):
    """`words`: size of the vocabulary."""
    with safe_open(path, framework="pt") as file:
        widths = json.loads(file.metadata()["widths"])
    model = TextModel(words, latent_channels, widths)
    model.load_state_dict(load_file(path))
    return model
