"""Training batches of fmboost-draw images, drawn on demand."""

import os
import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[3]
DRAW = Path(os.environ.get("FMBOOST_DRAW_BINARY", ROOT / "build" / "release" / "bin" / "fmboost-draw"))
FIRST_SEED = 100_000  # smaller seeds are held out for validation


def start_drawing(kind, side, seed, *arguments, count=0, draw=DRAW, threads=1, **options):
    """Starts fmboost-draw as a process that writes `count` images (0: endless) to its stdout."""
    command = [draw, kind, "--size", side, "--count", count, "--seed", seed, "--threads", threads, "--raw", "-", *arguments]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, **options)


def read_image(process, side):
    """The next image, (side, side, 3) uint8, or None at the end."""
    size = side * side * 3
    data = process.stdout.read(size)
    return np.frombuffer(data, np.uint8).reshape(side, side, 3) if len(data) == size else None


class DrawnCrops:
    """An endless iterator over square images of one kind, (side, side, 3) uint8.

    Skips the first `skip` images, so that a resumed training run sees new ones.
    """

    CROPS = 16  # per drawn image of dead leaves

    def __init__(self, kind, side, skip=0, first_seed=FIRST_SEED, draw=DRAW, threads=1):
        crops = self.CROPS if kind == "leaves" else 1
        cut = ("--crops", crops) if kind == "leaves" else ()
        self.side = side
        self.process = start_drawing(kind, side, first_seed + skip // crops, *cut, draw=draw, threads=threads)

    def __next__(self):
        image = read_image(self.process, self.side)
        if image is None:
            raise RuntimeError(f"fmboost-draw ended with {self.process.wait()}")
        return image

    def close(self):
        self.process.stdout.close()
        self.process.wait()


class ImageMix:
    """Batches of dead leaves and landscapes from a shuffle buffer of `stock` images: consecutive crops come from one image and
    should not share a batch.

    The order depends only on `seed` and on the number of images taken before (`taken`).
    """

    def __init__(self, side, landscapes=0.25, stock=1024, seed=0, taken=0, **options):
        self.random = np.random.default_rng([seed, taken])
        self.share = landscapes
        self.taken = taken
        skip = (taken + stock if taken else 0, taken if taken else 0)
        self.leaves = DrawnCrops("leaves", side, skip=skip[0], **options)
        self.landscapes = DrawnCrops("landscapes", side, skip=skip[1], **options) if landscapes > 0 else None
        self.stock = [self._draw() for _ in range(stock)]

    def _draw(self):
        return next(self.landscapes if self.random.random() < self.share else self.leaves)

    def batch(self, count):
        """(count, 3, side, side) float32 in [-1, 1], channels-last memory format."""
        images = []
        for _ in range(count):
            place = int(self.random.integers(len(self.stock)))
            images.append(self.stock[place])
            self.stock[place] = self._draw()
        self.taken += count
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def close(self):
        self.leaves.close()
        if self.landscapes:
            self.landscapes.close()
