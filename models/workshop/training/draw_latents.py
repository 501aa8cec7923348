"""Draws landscapes and encodes them: the training data of the text model.

  draw_latents.py AUTOENCODER FOLDER [--count 10000] [--side 256]

AUTOENCODER is a file of train_autoencoder.py or a bundle, such as models/default. FOLDER receives latents.npy, (2 count, C,
side / 4, side / 4) float16, unscaled, captions.jsonl and the autoencoder's scaling.json. Running the command again resumes an
interrupted run. Each landscape is followed by its mirror image: captions mention no left or right, and drawing takes longer
than encoding.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from captioned_latents import SCALING
from drawn_images import FIRST_SEED, read_image, start_drawing
from networks import FACTOR, LATENT_CHANNELS, load_autoencoder

SIDE = 256  # the text model's native size
BATCH = 64


class CaptionedImages:
    """Iterates over `count` landscapes from `seed` on: ((side, side, 3) uint8, {"seed", "caption", "scene"})."""

    def __init__(self, seed, count, side=SIDE, threads=0):
        read, write = os.pipe()
        captions = ("--captions", f"/dev/fd/{write}")
        self.side = side
        self.process = start_drawing(
            "landscapes", side, seed, *captions, count=count, threads=threads, pass_fds=[write]
        )  # fmt: skip
        os.close(write)
        self.captions = os.fdopen(read)

    def __iter__(self):
        while (image := read_image(self.process, self.side)) is not None:
            yield image, json.loads(self.captions.readline())
        if self.process.wait() != 0:
            raise RuntimeError(f"fmboost-draw ended with {self.process.returncode}")


def open_latents(folder, count, side=SIDE):
    shape = (count, LATENT_CHANNELS, side // FACTOR, side // FACTOR)
    path = folder / "latents.npy"
    if path.exists():
        latents = np.lib.format.open_memmap(path, "r+")
        if latents.shape != shape:
            raise SystemExit(f"{path} has shape {latents.shape}, expected {shape}; use another folder")
        return latents
    return np.lib.format.open_memmap(path, "w+", np.float16, shape)


def whole_pairs(captions):
    """The number of landscapes in a caption file, two lines each; truncates an incomplete end."""
    if not captions.exists():
        return 0
    lines = captions.read_bytes().splitlines(keepends=True)
    count = sum(line.endswith(b"\n") for line in lines) // 2
    os.truncate(captions, sum(map(len, lines[: 2 * count])))
    return count


def with_mirrored(images):
    """(B, side, side, 3) uint8 -> (2 B, 3, side, side): each image, followed by its mirror image."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return torch.stack([pixels, pixels.flip(3)], 1).flatten(0, 1)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("autoencoder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10000, help="number of landscapes")
    parser.add_argument("--side", type=int, default=SIDE, help="side of the landscapes, a multiple of 32")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    autoencoder, mean, deviation = load_autoencoder(arguments.autoencoder)
    encoder = autoencoder.eval().encoder.to(arguments.device)
    (folder / SCALING).write_text(json.dumps({"scale": 1 / deviation, "shift": mean}))
    latents = open_latents(folder, 2 * arguments.count, arguments.side)
    captions = folder / "captions.jsonl"
    done = whole_pairs(captions)
    images = iter(CaptionedImages(arguments.seed + done, arguments.count - done, arguments.side, arguments.threads or 0))
    with captions.open("a") as file:
        while done < arguments.count:
            batch = [next(images) for _ in range(min(BATCH, arguments.count - done))]
            pixels = with_mirrored([image for image, _ in batch]).to(arguments.device)
            latent = encoder(pixels.float() / 127.5 - 1)
            latents[2 * done : 2 * (done + len(batch))] = latent.cpu().half().numpy()
            file.writelines(2 * (json.dumps(line) + "\n") for _, line in batch)
            file.flush()
            done += len(batch)
            if done % (BATCH * 50) < BATCH:
                print(f"{done} of {arguments.count}", flush=True)


if __name__ == "__main__":
    main()
