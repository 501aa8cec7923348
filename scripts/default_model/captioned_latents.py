"""What draw_latents.py made, as batches for training, and the schedule that noises them."""

import json
import re
import subprocess

import numpy as np
import torch
from drawn_pictures import DRAW

SCALING = "scaling.json"  # beside the latents: scaled = (latent - shift) * scale
LENGTH = 48  # tokens of a caption
PAD, NULL = 0, 1
BETAS = (0.00085, 0.025)  # scaled-linear; see signal_shares


def vocabulary():
    """The words that captions can hold, behind the padding and the null word: the bundle's words.json."""
    words = subprocess.run([DRAW, "words"], capture_output=True, text=True, check=True).stdout.split()
    return ["<pad>", "<null>", *sorted({*words, ","})]


def token_ids(caption, words):
    """As fmboost's word tokenizer: lower case, commas are words, unknown words are left out."""
    known = [words[word] for word in re.findall(r",|[^\s,]+", caption.lower()) if word in words] or [NULL]
    known = known[:LENGTH]
    return known + [PAD] * (LENGTH - len(known))


def signal_shares(steps=1000, first=BETAS[0], last=BETAS[1]):
    """Cumulative products of a scaled-linear schedule: the share a of the latent at every timestep.

    Stable Diffusion's ends at a beta of 0.012 and leaves 7 % of the latent at the last timestep. In 16 channels at f4, which
    repeat much of each other, that still tells the colours of the picture, so that a denoiser relies on what pure noise
    does not hold. With 0.025 0.6 % are left.
    """
    betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


class CaptionedLatents:
    """Latents, scaled as everywhere in the autoencoder's bundle, and the tokens of their captions."""

    def __init__(self, folder, dropped):
        """`dropped`: the share of captions that are replaced by the null word, for guidance."""
        self.words = vocabulary()
        words = {word: i for i, word in enumerate(self.words)}
        captions = [json.loads(line)["caption"] for line in (folder / "captions.jsonl").open()]
        self.ids = torch.tensor([token_ids(caption, words) for caption in captions])
        self.null = torch.tensor(token_ids("", words))
        self.dropped = dropped
        self.latents = np.load(folder / "latents.npy", mmap_mode="r")[: len(captions)]
        scaling = json.loads((folder / SCALING).read_text())
        self.scale, self.shift = scaling["scale"], scaling["shift"]

    @property
    def channels(self):
        return self.latents.shape[1]

    def batch(self, count, device):
        """(count, C, h, w) float32 and (count, length) int64, drawn by torch's generator."""
        chosen = torch.randint(0, len(self.ids), (count,))
        latent = (torch.from_numpy(self.latents[chosen.numpy()].astype(np.float32)) - self.shift) * self.scale
        told = torch.where(torch.rand(count, 1) < self.dropped, self.null, self.ids[chosen])
        return latent.to(device), told.to(device)

    def metadata(self):
        """Of a file of weights: what the bundle must say of them."""
        return {"words": json.dumps(self.words)}
