"""The networks of the default model that PyTorch trains: the autoencoder (f4, plain convolutions).

Tensors are (B, C, H, W); pictures are RGB in [-1, 1]. Sizes of pictures are multiples of 4.
"""

import torch
from torch import nn
from torch.nn import functional as F

FACTOR = 4
LATENT_CHANNELS = 16


class ResBlock(nn.Module):
    """Two convolutions without normalisation: what a place becomes depends on what is near it alone, so that a picture in
    windows is the picture as a whole."""

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
    """Most blocks work at the latent's size, some at twice that; the last step only deals out channels to pixels."""

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
