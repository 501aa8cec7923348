"""What draw_latents.py made, as batches for training, and the schedule that noises them."""

import json
import re
import subprocess

import numpy as np
import torch
from drawn_pictures import DRAW
from scene_facts import PROPERTIES, class_of

SCALING = "scaling.json"  # beside the latents: scaled = (latent - shift) * scale
LENGTH = 48  # tokens of a caption
PAD, NULL = 0, 1
BETAS = (0.00085, 0.03)  # scaled-linear; see signal_shares


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
    does not hold. With 0.03 a quarter of a percent is left.
    """
    betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def noised_to(latent, a):
    """With so much fresh noise that the latent's share is `a`, a tensor."""
    return a.sqrt() * latent + (1 - a).sqrt() * torch.randn_like(latent)


class CaptionedLatents:
    """Latents, scaled as everywhere in the autoencoder's bundle, the tokens of their captions, and what they show.

    On a GPU they are kept in its memory: fetching them would take longer than a step.
    """

    def __init__(self, folder, dropped, device="cpu"):
        """`dropped`: the share of captions that are replaced by the null word, for guidance."""
        self.words = vocabulary()
        self.numbers = {word: i for i, word in enumerate(self.words)}
        self.null = torch.tensor(token_ids("", self.numbers))
        self.dropped, self.device = dropped, torch.device(device)
        self.mapped = np.load(folder / "latents.npy", mmap_mode="r")
        on_gpu = self.device.type == "cuda"
        self.kept = torch.empty(self.mapped.shape, dtype=torch.float16, device=self.device) if on_gpu else None
        self.captions = (folder / "captions.jsonl").open()
        self.ids = torch.empty((0, LENGTH), dtype=torch.long)
        self.classes = torch.empty((0, len(PROPERTIES)), dtype=torch.long)  # of every property, as scene_facts.py counts them
        scaling = json.loads((folder / SCALING).read_text())
        self.scale, self.shift = scaling["scale"], scaling["shift"]
        self.grow()

    def grow(self):
        """Takes in what draw_latents.py, which may still be at work, has added."""
        before, ids, classes, place = len(self.ids), [], [], self.captions.tell()
        while (text := self.captions.readline()).endswith("\n"):
            line = json.loads(text)
            ids.append(token_ids(line["caption"], self.numbers))
            classes.append([class_of(name, line["scene"]) for name in PROPERTIES])
            place = self.captions.tell()
        self.captions.seek(place)  # before a line that is not complete yet
        if ids:
            self.ids, self.classes = torch.cat([self.ids, torch.tensor(ids)]), torch.cat([self.classes, torch.tensor(classes)])
        if self.kept is not None:
            for first in range(before, len(self.ids), 4096):
                last = min(first + 4096, len(self.ids))
                self.kept[first:last] = torch.from_numpy(np.array(self.mapped[first:last])).to(self.device)

    @property
    def channels(self):
        return self.mapped.shape[1]

    def choose(self, count):
        """The numbers of some of them, drawn by torch's generator."""
        return torch.randint(0, len(self.ids), (count,))

    def latents(self, chosen):
        """(count, C, h, w) float32"""
        if self.kept is None:
            latent = torch.from_numpy(self.mapped[chosen.numpy()].astype(np.float32))
        else:
            latent = self.kept[chosen.to(self.device)].float()
        return (latent - self.shift) * self.scale

    def batch(self, count):
        """(count, C, h, w) float32 and (count, length) int64, some captions dropped."""
        chosen = self.choose(count)
        told = torch.where(torch.rand(count, 1) < self.dropped, self.null, self.ids[chosen])
        return self.latents(chosen), told.to(self.device)

    def metadata(self):
        """Of a file of weights: what the bundle must say of them."""
        return {"words": json.dumps(self.words)}
