"""A training that a test can afford: drawn shapes, and an autoencoder that leaves pixels as they are.

Run by itself it trains for longer and says what came of it: toy_training.py FMBOOST FOLDER [--steps N].
"""

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw


class Identity(torch.nn.Module):
    def forward(self, x):
        return x * 1.0


def write_identity_bundle(folder):
    """Latents are pixels: factor 1, 3 channels. A coupling of it upscales images in pixel space."""
    folder.mkdir(parents=True)
    torch.jit.trace(Identity().eval(), torch.zeros(1, 3, 8, 8)).save(str(folder / "identity.pt"))
    digest = hashlib.sha256((folder / "identity.pt").read_bytes()).hexdigest()
    program = {"backend": "torchscript", "file": "identity.pt", "sha256": digest}
    description = {
        "format": "fmboost-bundle",
        "version": 1,
        "name": "identity",
        "autoencoder": {"encoder": program, "decoder": program, "factor": 1, "latent_channels": 3, "scale": 1.0},
    }
    (folder / "bundle.json").write_text(json.dumps(description, indent=1))
    return folder


def draw_shapes(seed, side):
    """Ellipses, polygons and lines over a gradient, drawn four times larger: sharp edges without stairs."""
    random, large = np.random.default_rng(seed), 4 * side
    color = lambda: tuple(int(v) for v in random.integers(0, 256, 3))  # noqa: E731
    point = lambda: tuple(int(v) for v in random.integers(0, large, 2))  # noqa: E731
    ramp = np.linspace(np.array(color()), np.array(color()), large)[:, None, :]
    image = Image.fromarray(np.broadcast_to(ramp, (large, large, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for kind in random.integers(0, 3, 8):
        (x, y), size = point(), int(random.integers(large // 12, large // 3))
        if kind == 0:
            draw.ellipse([x, y, x + size, y + size // 2], fill=color())
        elif kind == 1:
            draw.polygon([point() for _ in range(3)], fill=color())
        else:
            draw.line([point(), point()], fill=color(), width=size // 8 + 4)
    return image.resize((side, side), Image.Resampling.BOX)


def write_shapes(folder, count, first_seed=0, side=64):
    folder.mkdir(parents=True)
    for i in range(count):
        draw_shapes(first_seed + i, side).save(folder / f"{i:04}.png")
    return folder


def psnr(a, b):
    """Of 8-bit images, over all channels."""
    error = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2
    return 10 * np.log10(255**2 / error.mean())


NETWORK = ("--model-channels", 32, "--channel-mult", 1, 2, "--num-res-blocks", 1, "--attention-resolutions", 64)
# Steps and rates are the caller's: a test takes 400 steps, the run that docs/training.md tells of 4000.
RECIPE = ("--low", 16, "--high", 32, "--batch-size", 8, "--lr", 2e-3, "--lr-schedule", "cosine",
          "--warmup", 20, "--ema-update-after-step", 100, "--ema-beta", 0.99, "--noising-step", 0, "--sigma-min", 0.1, "--precision", "float32",
          "--val-steps", 4, "--val-solver", "euler", "--back-project", 0)  # fmt: skip


def upscaled_psnr(upscale, folder, count=8, first_seed=1000, side=64):
    """Mean PSNR of held-out shapes made half as large and upscaled again: by `upscale(small, big)`, and bicubically."""
    ours, bicubic = [], []
    for i in range(count):
        original = draw_shapes(first_seed + i, side)
        low = original.resize((side // 2, side // 2), Image.Resampling.BOX)
        low.save(folder / "low.png")
        upscale(folder / "low.png", folder / "big.png")
        ours.append(psnr(Image.open(folder / "big.png").convert("RGB"), original))
        bicubic.append(psnr(low.resize((side, side), Image.Resampling.BICUBIC), original))
    return np.mean(ours), np.mean(bicubic)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fmboost")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    arguments = parser.parse_args()
    folder, tool = arguments.folder, arguments.fmboost
    bundle = write_identity_bundle(folder / "bundle")
    write_shapes(folder / "shapes", 1000)
    write_shapes(folder / "held-out", 16, first_seed=1000000)
    line = [tool, "train", "--data", folder / "shapes", "--val-data", folder / "held-out", "-m", bundle, "-o", folder / "run",
            "--install-into", bundle, *NETWORK, *RECIPE, "--steps", arguments.steps, "--validate-every", arguments.steps // 10]  # fmt: skip
    subprocess.run(list(map(str, line)), check=True)

    def upscale(small, big):
        subprocess.run([tool, "upscale", small, "-m", bundle, "-o", big, "--force", "--quiet"], check=True, stdout=subprocess.DEVNULL)

    ours, bicubic = upscaled_psnr(upscale, folder, count=16, first_seed=1000000)
    print(f"upscale: {ours:.2f} dB, bicubic {bicubic:.2f} dB")


if __name__ == "__main__":
    main()
