"""Pairs of latents for `fmboost train` whose small pictures went through the text model: what generated pictures look like.

  draw_generated_pairs.py BUNDLE TEXT_MODEL FOLDER [--count 400] [--factor 4]

A landscape is drawn at 256 pixels and, from the same seed, `factor` times as large. Noise is laid over the small one, as on the
way that `fmboost generate` takes from noise to a picture, and the text model goes that way from there to its end. What comes
out has the soft edges and missing detail of a generated picture, and the large landscape shows what belongs there. A coupling
that is trained on such pairs beside clean ones learns to make up for it.

FOLDER gets shard-NNNNNN.tar, of 64 pictures each, in the layout that docs/training.md describes. A shard appears when it is
complete; a run that was stopped goes on.
"""

import argparse
import io
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import torch
from captioned_latents import signal_shares, token_ids, vocabulary
from distill_text_model import clean_of, guided_velocity
from draw_latents import SIDE, CaptionedPictures
from drawn_pictures import FIRST_SEED
from networks import FACTOR, load_autoencoder
from safetensors.torch import load_file
from text_networks import TextModel
from torch.nn import functional as F
from train_text_model import share_at
from training import save_whole

PICTURES_A_SHARD = 64
STARTS = ((249,), (499, 249))  # timesteps of `fmboost generate --sampler ddim --steps 4`: its last one, or its last two
ONE_STEP = 0.75  # of the pictures: from 499 on only the layout is that of the drawn one
GUIDANCE = 1.5
CROP = 48  # latents a side
DETAILED = 0.7  # of the crops lie where there is more detail than at a second place


def pixels_of(pictures):
    """(side, side, 3) uint8 each -> (B, 3, side, side) in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Redrawing:
    """Takes drawn pictures through the last steps of the text model's sampling."""

    def __init__(self, bundle, text_model):
        self.words = {word: i for i, word in enumerate(vocabulary())}
        self.autoencoder, self.mean, self.deviation = load_autoencoder(bundle)
        self.autoencoder.eval()
        self.model = TextModel(len(self.words))
        self.model.load_state_dict(load_file(text_model))
        self.model.eval()
        self.shares = signal_shares()

    def redraw(self, pixels, captions, steps):
        """(B, 3, side, side) -> the same size: noised to the first of `steps`, then DDIM."""
        encode = lambda text: self.model.text_encoder(torch.tensor([token_ids(x, self.words) for x in text]))  # noqa: E731
        text, null = encode(captions), encode([""] * len(captions))
        x = (self.autoencoder.encoder(pixels) - self.mean) / self.deviation
        noise = torch.randn_like(x)
        for step in steps:
            timestep = torch.full((len(x),), step)
            a = share_at(self.shares, timestep)
            noised = a.sqrt() * x + (1 - a).sqrt() * noise
            velocity = guided_velocity(self.model, noised, timestep, text, null, GUIDANCE)
            x, noise = clean_of(noised, velocity, a), (1 - a).sqrt() * noised + a.sqrt() * velocity
        return self.autoencoder.decoder(x * self.deviation + self.mean).clamp(-1, 1)

    def latents(self, pixels):
        return self.autoencoder.encoder(pixels).half().numpy()


def place_of_crop(picture, side, chance):
    """(top, left), multiples of FACTOR, of a square of `side` pixels in (3, height, width)."""
    places = [tuple(chance.randrange((n - side) // FACTOR + 1) * FACTOR for n in picture.shape[1:]) for _ in range(2)]
    detail = [picture[:, y : y + side, x : x + side].diff(dim=2).abs().mean().item() for y, x in places]
    return places[detail[1] > detail[0]] if chance.random() < DETAILED else places[0]


def cut_pairs(high, low, count, chance):
    """Squares of a large picture and of its enlarged small one, (count, 3, side, side) each."""
    enlarged = F.interpolate(low[None], size=high.shape[1:], mode="bilinear", align_corners=False)[0]  # as in use
    side = CROP * FACTOR
    places = [place_of_crop(high, side, chance) for _ in range(count)]
    cut = lambda picture: torch.stack([picture[:, y : y + side, x : x + side] for y, x in places])  # noqa: E731
    return cut(high), cut(enlarged)


def add_member(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_shard(path, redrawing, seed, arguments):
    count, side = min(PICTURES_A_SHARD, arguments.seed + arguments.count - seed), SIDE * arguments.factor
    torch.manual_seed(seed)
    chance = random.Random(seed)
    small = CaptionedPictures(seed, count, threads=1)
    large = CaptionedPictures(seed, count, side, threads=arguments.threads or 0)

    def write(temporary):
        with tarfile.open(temporary, "w") as tar:
            for (low, line), (high, _) in zip(small, large, strict=True):
                steps = STARTS[chance.random() >= ONE_STEP]
                redrawn = redrawing.redraw(pixels_of([low]), [line["caption"]], steps)[0]
                pair = cut_pairs(pixels_of([high])[0], redrawn, arguments.crops, chance)
                for i, (latent, context) in enumerate(zip(*map(redrawing.latents, pair), strict=True)):
                    key = f"{line['seed']:08d}_{i}"
                    add_member(tar, f"{key}.latent.npy", npy(latent))
                    add_member(tar, f"{key}.latent_lowres.npy", npy(context))
                    add_member(tar, f"{key}.json", json.dumps({"caption": line["caption"], "steps": steps}).encode())

    save_whole(write, path)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", help="its autoencoder, or a file of train_autoencoder.py")
    parser.add_argument("text_model", help="text_model.safetensors")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=400, help="pictures")
    parser.add_argument("--crops", type=int, default=8, help="of each picture")
    parser.add_argument("--factor", type=int, default=4, choices=(2, 4))
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    redrawing = Redrawing(arguments.bundle, arguments.text_model)
    for number, first in enumerate(range(0, arguments.count, PICTURES_A_SHARD)):
        path = arguments.folder / f"shard-{number:06d}.tar"
        if not path.exists():
            write_shard(path, redrawing, arguments.seed + first, arguments)
            print(f"{path.name}: {min(first + PICTURES_A_SHARD, arguments.count)} of {arguments.count} pictures", flush=True)


if __name__ == "__main__":
    main()
