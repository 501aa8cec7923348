"""What the tests of `encode` share: images, shards read and made without fmboost, and the same pairs in PyTorch."""

import io
import json
import tarfile
from pathlib import Path

import networks
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_MODEL = ROOT / "models" / "default"
FACTOR = json.loads((DEFAULT_MODEL / "bundle.json").read_text())["autoencoder"]["factor"]


def shard_names(folder):
    return sorted(path.name for path in folder.glob("*.tar"))


def read_shard(path):
    """{key: {suffix: array, dictionary or bytes}} of one archive, in its order."""
    samples = {}
    with tarfile.open(path) as archive:
        for member in archive:
            key, suffix = member.name.split(".", 1)
            content = archive.extractfile(member).read()
            if suffix.endswith("npy"):
                content = np.load(io.BytesIO(content), allow_pickle=False)
            elif suffix == "json":
                content = json.loads(content)
            samples.setdefault(key, {})[suffix] = content
    return samples


def read_shards(folder):
    samples = {}
    for name in shard_names(folder):
        samples |= read_shard(folder / name)
    return samples


def array_bytes(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def write_shard(path, members, tar_format=tarfile.GNU_FORMAT):
    """members: {name: array or bytes}"""
    with tarfile.open(path, "w", format=tar_format) as archive:
        for name, content in members.items():
            content = array_bytes(content) if isinstance(content, np.ndarray) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mtime = 1700000000.25  # a fraction makes pax write an extended header
            entry.uname = entry.gname = "somebody"
            archive.addfile(entry, io.BytesIO(content))


class PlainEncoder:
    """A bundle's autoencoder and the making of pairs, in plain PyTorch."""

    def __init__(self, bundle=DEFAULT_MODEL):
        self.entry = json.loads((bundle / "bundle.json").read_text())["autoencoder"]
        self.encoder = networks.load_autoencoder(bundle)[0].encoder

    def square(self, file, crop):
        """The large square that a sample's json describes, (1, 3, H, W) in [-1, 1]."""
        pixels = torch.from_numpy(np.asarray(Image.open(file).convert("RGB")).copy()).permute(2, 0, 1) / 127.5 - 1
        top, left, side = crop["top"], crop["left"], crop["high"]
        square = pixels[None, :, top : top + side, left : left + side]
        return square.flip(3) if crop["flipped"] else square

    def pair(self, file, crop, coupling="pixel"):
        """latent and latent_lowres as the layout wants them: not scaled."""
        high = self.square(file, crop)
        low = torch.nn.functional.interpolate(high, size=crop["low"], mode="area")
        if coupling == "pixel":
            low = torch.nn.functional.interpolate(low, size=crop["high"], mode="bilinear")
        return self.encoder(high)[0], self.encoder(low)[0]
