"""A small network that classifies all properties of scene_facts.py in a landscape or in its latents, including absence.

One network for all properties instead of comparisons with the drawing's color table: haze, light, clouds and reflections
change colors, and objects must be found before their colors can be judged.
"""

import numpy as np
import torch
from draw_latents import SIDE
from PIL import Image
from safetensors.torch import load_file
from scene_facts import PROPERTIES
from torch import nn
from torch.nn import functional as F

OUTER_LAYERS = ("body.1.", "places.", "heads.")  # optimized by AdamW, not Muon
CHANNELS = (32, 48, 64, 96)  # at 64x64, 32x32, 16x16 and 8x8
PATCH = 4  # side in pixels of the patches that images are cut into: the finest resolution


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(F.relu(self.norm(x)))))


class FactClassifier(nn.Module):
    """Images (B, 3, 256, 256) in [-1, 1], or scaled latents (B, C, 64, 64), to {property: scores (B, values)}.

    The head of each property sees the maximum and the mean of every feature over the image, and an attention-weighted average
    with its own weights.
    """

    def __init__(self, latent_channels=None):
        super().__init__()
        first, *rest = CHANNELS
        unshuffle, inside = (nn.Identity(), latent_channels) if latent_channels else (nn.PixelUnshuffle(PATCH), 3 * PATCH**2)
        layers, width = [unshuffle, nn.Conv2d(inside, first, 3, padding=1), Block(first)], first
        for channels in rest:
            layers += [nn.Conv2d(width, channels, 3, stride=2, padding=1), Block(channels)]
            width = channels
        self.body = nn.Sequential(*layers, nn.GroupNorm(8, width), nn.ReLU())
        self.places = nn.Conv2d(width, len(PROPERTIES), 1)
        self.heads = nn.ModuleDict({name: nn.Linear(3 * width, len(values)) for name, values in PROPERTIES.items()})
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        features = self.body(x.contiguous(memory_format=torch.channels_last))
        weights = self.places(features).flatten(2).softmax(2)  # (B, properties, positions)
        features = features.flatten(2)
        chosen = weights @ features.transpose(1, 2)  # (B, properties, channels)
        common = torch.cat([features.amax(2), features.mean(2)], 1)
        return {name: head(torch.cat([chosen[:, i], common], 1)) for i, (name, head) in enumerate(self.heads.items())}


def loss_of(scores, classes, left_out=()):
    """Mean cross entropy over the properties; `classes` (B, properties), numbered by class_of()."""
    losses = [F.cross_entropy(scores[name], classes[:, i]) for i, name in enumerate(PROPERTIES) if name not in left_out]
    return torch.stack(losses).mean()


def load_classifier(path, latent_channels=None):
    model = FactClassifier(latent_channels)
    model.load_state_dict(load_file(path))
    return model.eval()


def to_pixels(images):
    """(B, side, side, 3) uint8 to (B, 3, side, side) in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def classify(model, images, batch=64):
    """The properties of each image (256, 256, 3) uint8: {property: value} as in the JSON of a scene."""
    shown = []
    for first in range(0, len(images), batch):
        scores = model(to_pixels(np.stack(images[first : first + batch])).to(model.places.weight.device))
        best = {name: scores[name].argmax(1).tolist() for name in PROPERTIES}
        count = len(images[first : first + batch])
        shown += [{name: PROPERTIES[name][best[name][i]] for name in PROPERTIES} for i in range(count)]
    return shown


def read_image_file(path):
    """(256, 256, 3) uint8; larger images are downsampled."""
    image = Image.open(path).convert("RGB")
    return np.asarray(image if image.size == (SIDE, SIDE) else image.resize((SIDE, SIDE), Image.BICUBIC))
