"""The autoencoder of the default model (f4, convolutions only).

Tensors are (B, C, H, W); images are RGB in [-1, 1] with sides that are multiples of 4.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

FACTOR = 4
LATENT_CHANNELS = 16


class ResBlock(nn.Module):
    """Two convolutions without normalization: an output depends only on its neighborhood, so tiled and untiled results are
    equal."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)  # a block starts near the identity

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Encoder(nn.Module):
    def __init__(self, latent_channels=LATENT_CHANNELS, channels=64, blocks=4):
        super().__init__()
        self.conv_in = nn.Conv2d(3 * FACTOR * FACTOR, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ResBlock(channels) for _ in range(blocks)])
        self.conv_out = nn.Conv2d(channels, latent_channels, 3, padding=1)

    def forward(self, pixels):
        return self.conv_out(self.blocks(self.conv_in(F.pixel_unshuffle(pixels, FACTOR))))


class Decoder(nn.Module):
    """Most blocks run at the latent's resolution, some at twice that; the final pixel shuffle only rearranges channels."""

    def __init__(self, latent_channels=LATENT_CHANNELS, channels=64, blocks=5, fine_channels=32, fine_blocks=2):
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ResBlock(channels) for _ in range(blocks)])
        self.conv_up = nn.Conv2d(channels, 4 * fine_channels, 3, padding=1)
        self.fine_blocks = nn.Sequential(*[ResBlock(fine_channels) for _ in range(fine_blocks)])
        self.conv_out = nn.Conv2d(fine_channels, 12, 3, padding=1)

    def forward(self, latent):
        h = self.blocks(self.conv_in(latent))
        h = self.fine_blocks(F.pixel_shuffle(self.conv_up(h), 2))
        return F.pixel_shuffle(self.conv_out(h), 2)


class Autoencoder(nn.Module):
    def __init__(self, **options):
        super().__init__()
        latent_channels = options.get("latent_channels", LATENT_CHANNELS)
        self.encoder = Encoder(latent_channels)
        self.decoder = Decoder(latent_channels, **{k: v for k, v in options.items() if k != "latent_channels"})

    @property
    def configuration(self):
        """The `config` of bundle.json."""
        encoder, decoder = self.encoder, self.decoder
        return {
            "latent_channels": encoder.conv_out.out_channels,
            "encoder_channels": encoder.conv_in.out_channels, "encoder_blocks": len(encoder.blocks),
            "decoder_channels": decoder.conv_in.out_channels, "decoder_blocks": len(decoder.blocks),
            "fine_channels": decoder.conv_out.in_channels, "fine_blocks": len(decoder.fine_blocks),
        }  # fmt: skip


def load_autoencoder(path):
    """Returns the autoencoder and the mean and standard deviation of its latents. `path` is a file of train_autoencoder.py, or
    a bundle of make_bundle.py, such as the published one."""
    path, model = Path(path), Autoencoder()
    if path.is_dir():
        entry = json.loads((path / "bundle.json").read_text())["autoencoder"]
        model.load_state_dict(load_file(path / entry["file"]))
        return model, entry["shift"], 1 / entry["scale"]
    with safe_open(path, framework="pt") as file:
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        metadata = file.metadata()
    return model, float(metadata["latent_mean"]), float(metadata["latent_deviation"])
