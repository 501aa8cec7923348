"""Pairs of latents for `fmboost train` whose small images went through the text model: what generated images look like.

  draw_generated_pairs.py BUNDLE_OR_AUTOENCODER TEXT_MODEL FOLDER [--count 450] [--factor 4]

A landscape is drawn at 256 pixels and, from the same seed, `factor` times as large. The small one is noised a little, and the
text model draws it anew from there, by its last steps alone; half of what comes out is softened a little more. It has the
faults of a generated image (soft outlines, halos, grain), but all is where it was, so the large landscape shows what belongs
there: where outlines had moved, a coupling would learn to leave them soft. FOLDER gets shard-NNNNNN.tar, 64 images each,
in the layout of docs/training.md. A shard appears when it is complete; a run that was stopped goes on.
"""

import argparse
import io
import random
import tarfile
from pathlib import Path

import numpy as np
import torch
from captioned_latents import betas_of, noised_to, signal_shares, token_ids, vocabulary
from draw_latents import SIDE, CaptionedImages
from drawn_images import FIRST_SEED
from fact_classifier import to_pixels
from networks import FACTOR, load_autoencoder
from sampling import DRAWING_STEPS, lcm_timesteps, walk
from text_networks import load_text_model
from torch.nn import functional as F
from training import save_whole

IMAGES_A_SHARD = 64
SHOWS = (0.7, 0.93)  # of the signal is left of a drawn image; with less, outlines move
SOFTENED = 0.5  # of the images
SOFTNESS = (0.3, 1.2)  # deviation of the Gaussian that does it, in pixels
RADIUS = 4  # of its window
CROP = 48  # latent pixels a side
DETAILED = 0.7  # of the crops lie where there is more detail than at a second place


class Redrawing:
    """Takes drawn images through the last steps of the text model's sampling."""

    def __init__(self, autoencoder, text_model):
        self.words = {word: i for i, word in enumerate(vocabulary())}
        self.autoencoder, self.mean, self.deviation = load_autoencoder(autoencoder)
        self.model = load_text_model(text_model, len(self.words))
        self.shares = signal_shares(betas_of(text_model))

    def redraw(self, pixels, captions, shows):
        """(B, 3, side, side) -> the same size: noised to the first timestep where the signal's share is `shows` or more, else
        to the last one, from which the model goes on."""
        timesteps = lcm_timesteps(DRAWING_STEPS)
        steps = [t for t in timesteps if self.shares[t] >= shows] or timesteps[-1:]
        text = self.model.text_encoder(torch.tensor([token_ids(caption, self.words) for caption in captions]))
        x = (self.autoencoder.encoder(pixels) - self.mean) / self.deviation
        clean = walk(self.model, noised_to(x, self.shares[steps[0]]), text, self.shares, steps)[-1][2]
        return self.autoencoder.decoder(clean * self.deviation + self.mean).clamp(-1, 1)

    def latents(self, pixels):
        return self.autoencoder.encoder(pixels).half().numpy()


def softened(pixels, deviation):
    """(B, 3, height, width), blurred by a Gaussian of this deviation."""
    bell = torch.exp(-torch.arange(-RADIUS, RADIUS + 1).square() / (2 * deviation**2))
    window = (bell[:, None] * bell / bell.sum() ** 2).expand(3, 1, -1, -1)
    return F.conv2d(F.pad(pixels, [RADIUS] * 4, mode="reflect"), window, groups=3)


def place_of_crop(image, side, chance):
    """(top, left), multiples of FACTOR, of a square of `side` pixels in (3, height, width)."""
    places = [tuple(chance.randrange((n - side) // FACTOR + 1) * FACTOR for n in image.shape[1:]) for _ in range(2)]
    detail = [image[:, y : y + side, x : x + side].diff(dim=2).abs().mean().item() for y, x in places]
    return places[detail[1] > detail[0]] if chance.random() < DETAILED else places[0]


def cut_pairs(high, low, count, chance):
    """Squares of a large image and of its upscaled small one, (count, 3, side, side) each."""
    upscaled = F.interpolate(low[None], size=high.shape[1:], mode="bilinear", align_corners=False)[0]  # as in use
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
    small = CaptionedImages(seed, count, threads=1)
    large = CaptionedImages(seed, count, SIDE * arguments.factor, threads=arguments.threads or 0)
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
    parser.add_argument("autoencoder", help="a bundle, or a file of train_autoencoder.py")
    parser.add_argument("text_model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=450, help="images")
    parser.add_argument("--crops", type=int, default=8, help="of each image")
    parser.add_argument("--factor", type=int, default=4, choices=(2, 4))
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    redrawing = Redrawing(arguments.autoencoder, arguments.text_model)
    for first in range(0, arguments.count, IMAGES_A_SHARD):
        path = arguments.folder / f"shard-{first // IMAGES_A_SHARD:06d}.tar"
        count = min(IMAGES_A_SHARD, arguments.count - first)
        if not path.exists():
            write_shard(path, redrawing, arguments.seed + first, count, arguments)
            print(f"{path.name}: {first + count} of {arguments.count} images", flush=True)


if __name__ == "__main__":
    main()
