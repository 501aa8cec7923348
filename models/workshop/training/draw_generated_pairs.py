"""Makes latent pairs for `fmboost train` whose low-resolution images look like those of the text model.

  draw_generated_pairs.py BUNDLE_OR_AUTOENCODER TEXT_MODEL FOLDER [--count 450] [--factor 4]

A landscape is drawn at the text model's native size and, from the same seed, `factor` times as large. The small one is noised
a little and denoised by the last steps of the text model; half of the results are blurred slightly. They have the defects of
generated images (soft outlines, halos, grain), but everything stays in place, so the large landscape is the right target: if
outlines moved, a coupling would learn to leave them soft. FOLDER receives shard-NNNNNN.tar files of 64 images in the layout of
docs/training.md. Shards are written atomically; running the command again resumes an interrupted run.
"""

import argparse
import io
import random
import tarfile
from pathlib import Path

import numpy as np
import torch
from captioned_latents import betas_of, native_size_of, noised_to, signal_shares, token_ids, vocabulary
from draw_latents import CaptionedImages
from drawn_images import FIRST_SEED
from fact_classifier import to_pixels
from networks import FACTOR, load_autoencoder
from sampling import DRAWING_STEPS, lcm_timesteps, rollout
from text_networks import load_text_model
from torch.nn import functional as F
from training import save_whole

IMAGES_PER_SHARD = 64
SHOWS = (0.7, 0.93)  # range of the signal share of a noised image; with less signal, outlines move
SOFTENED = 0.5  # share of blurred images
SOFTNESS = (0.3, 1.2)  # range of the Gaussian's standard deviation in pixels
RADIUS = 4  # of the Gaussian's window
CROP = 48  # side of the crops in latent pixels
DETAILED = 0.7  # share of crops for which the more detailed of two random positions is taken


class Redrawing:
    """Redraws images by the last sampling steps of the text model."""

    def __init__(self, autoencoder, text_model):
        self.words = {word: i for i, word in enumerate(vocabulary())}
        self.autoencoder, self.mean, self.deviation = load_autoencoder(autoencoder)
        self.model = load_text_model(text_model, len(self.words))
        self.shares = signal_shares(betas_of(text_model))
        self.side = native_size_of(text_model)

    def redraw(self, pixels, captions, shows):
        """(B, 3, side, side) -> same shape: adds the noise of the first timestep whose signal share is at least `shows`, or of
        the last timestep if there is none, and samples from there."""
        timesteps = lcm_timesteps(DRAWING_STEPS)
        steps = [t for t in timesteps if self.shares[t] >= shows] or timesteps[-1:]
        text = self.model.text_encoder(torch.tensor([token_ids(caption, self.words) for caption in captions]))
        x = (self.autoencoder.encoder(pixels) - self.mean) / self.deviation
        clean = rollout(self.model, noised_to(x, self.shares[steps[0]]), text, self.shares, steps)[-1][2]
        return self.autoencoder.decoder(clean * self.deviation + self.mean).clamp(-1, 1)

    def latents(self, pixels):
        return self.autoencoder.encoder(pixels).half().numpy()


def softened(pixels, deviation):
    """Blurs images (B, 3, height, width) by a Gaussian of this standard deviation."""
    bell = torch.exp(-torch.arange(-RADIUS, RADIUS + 1).square() / (2 * deviation**2))
    window = (bell[:, None] * bell / bell.sum() ** 2).expand(3, 1, -1, -1)
    return F.conv2d(F.pad(pixels, [RADIUS] * 4, mode="reflect"), window, groups=3)


def place_of_crop(image, side, chance):
    """(top, left) of a square of `side` pixels in (3, height, width), multiples of FACTOR."""
    places = [tuple(chance.randrange((n - side) // FACTOR + 1) * FACTOR for n in image.shape[1:]) for _ in range(2)]
    detail = [image[:, y : y + side, x : x + side].diff(dim=2).abs().mean().item() for y, x in places]
    return places[detail[1] > detail[0]] if chance.random() < DETAILED else places[0]


def cut_pairs(high, low, count, chance):
    """Squares of a large image and of the upscaled small image, (count, 3, side, side) each."""
    upscaled = F.interpolate(low[None], size=high.shape[1:], mode="bilinear", align_corners=False)[0]  # as fmboost does
    side = CROP * FACTOR
    places = [place_of_crop(high, side, chance) for _ in range(count)]
    return tuple(torch.stack([image[:, y : y + side, x : x + side] for y, x in places]) for image in (high, upscaled))


def add_array(tar, name, array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    member = tarfile.TarInfo(name)
    member.size = buffer.tell()
    buffer.seek(0)
    tar.addfile(member, buffer)


def fill(tar, redrawing, seed, count, arguments):
    torch.manual_seed(seed)
    chance = random.Random(seed)
    small = CaptionedImages(seed, count, redrawing.side, threads=1)
    large = CaptionedImages(seed, count, redrawing.side * arguments.factor, threads=arguments.threads or 0)
    for (low, line), (high, _) in zip(small, large, strict=True):
        redrawn = redrawing.redraw(to_pixels([low]), [line["caption"]], chance.uniform(*SHOWS))
        if chance.random() < SOFTENED:
            redrawn = softened(redrawn, chance.uniform(*SOFTNESS))
        pairs = cut_pairs(to_pixels([high])[0], redrawn[0], arguments.crops, chance)
        for i, (latent, context) in enumerate(zip(*map(redrawing.latents, pairs), strict=True)):
            add_array(tar, f"{line['seed']:08d}_{i}.latent.npy", latent)
            add_array(tar, f"{line['seed']:08d}_{i}.latent_lowres.npy", context)


def write_shard(path, *what):
    def write(temporary):
        with tarfile.open(temporary, "w") as tar:
            fill(tar, *what)

    save_whole(write, path)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("autoencoder", help="bundle, or file of train_autoencoder.py")
    parser.add_argument("text_model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=450, help="number of images")
    parser.add_argument("--crops", type=int, default=8, help="crops per image")
    parser.add_argument("--factor", type=int, default=4, choices=(2, 4))
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    redrawing = Redrawing(arguments.autoencoder, arguments.text_model)
    for first in range(0, arguments.count, IMAGES_PER_SHARD):
        path = arguments.folder / f"shard-{first // IMAGES_PER_SHARD:06d}.tar"
        count = min(IMAGES_PER_SHARD, arguments.count - first)
        if not path.exists():
            write_shard(path, redrawing, arguments.seed + first, count, arguments)
            print(f"{path.name}: {first + count} of {arguments.count} images", flush=True)


if __name__ == "__main__":
    main()
