"""Pictures of fmboost-draw as batches for training, drawn while they are needed."""

import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
import os

DRAW = Path(os.environ.get("FMBOOST_DRAW", ROOT / "build" / "release" / "bin" / "fmboost-draw"))
FIRST_SEED = 100_000  # those below are held out for validation


class DrawnCrops:
    """An endless sequence of square pictures of one kind, (side, side, 3) uint8.

    `skip` of them are left out at the beginning, so that a training that goes on sees new ones.
    """

    CROPS = 16  # of one drawn picture of dead leaves

    def __init__(self, kind, side, skip=0, first_seed=FIRST_SEED, draw=DRAW, threads=1):
        crops = self.CROPS if kind == "leaves" else 1
        command = [draw, kind, "--size", side, "--count", 0, "--raw", "-", "--threads", threads]
        command += ["--seed", first_seed + skip // crops]
        command += ["--crops", crops] if kind == "leaves" else []
        self.side = side
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE)

    def __next__(self):
        data = self.process.stdout.read(self.side * self.side * 3)
        if len(data) < self.side * self.side * 3:
            raise RuntimeError(f"fmboost-draw ended with {self.process.wait()}")
        return np.frombuffer(data, np.uint8).reshape(self.side, self.side, 3)

    def close(self):
        self.process.stdout.close()
        self.process.wait()


class PictureMix:
    """Batches of dead leaves and landscapes, taken at random from a stock: neighbours in the sequence are cut from one
    picture, and should not meet in one batch.

    The order depends on `seed` and on how many pictures were taken before (`taken`), nothing else.
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
        """(count, 3, side, side) float32 in [-1, 1], channels-last in memory."""
        pictures = []
        for _ in range(count):
            place = int(self.random.integers(len(self.stock)))
            pictures.append(self.stock[place])
            self.stock[place] = self._draw()
        self.taken += count
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def close(self):
        self.leaves.close()
        if self.landscapes:
            self.landscapes.close()
