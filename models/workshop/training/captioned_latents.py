"""What draw_latents.py made, as batches for training, and the schedule that noises them."""

import json
import re
import subprocess

import numpy as np
import torch
from drawn_images import DRAW
from safetensors import safe_open
from scene_facts import PROPERTIES, class_of

SCALING = "scaling.json"  # beside the latents: scaled = (latent - shift) * scale
LENGTH = 48  # tokens of a caption
PAD, NULL = 0, 1
BETAS = (0.004, 0.02)  # linear; see signal_shares
FINE_BETAS = (0.0001, 0.02)  # linear, of what has been sharpened; likewise


def vocabulary():
    """The words that captions can hold, behind the padding and the null word: the bundle's words.json."""
    words = subprocess.run([DRAW, "words"], capture_output=True, text=True, check=True).stdout.split()
    return ["<pad>", "<null>", *sorted({*words, ","})]


def token_ids(caption, words):
    """As fmboost's word tokenizer: lower case, commas are words, unknown words are left out."""
    known = [words[word] for word in re.findall(r",|[^\s,]+", caption.lower()) if word in words] or [NULL]
    known = known[:LENGTH]
    return known + [PAD] * (LENGTH - len(known))


def signal_shares(betas=BETAS, steps=1000):
    """Cumulative products of a linear schedule: the share a of the latent at every timestep.

    Stable Diffusion's (scaled-linear, 0.00085 to 0.012) leaves 7 % of the latent at the last timestep. In 16 channels at f4,
    which repeat much of each other, that still tells the colours of the image, so that a denoiser relies on what pure noise
    does not hold. What repeats so much is also seen in much noise: things of some latent pixels begin to show where a is 0.001, and
    are settled at 0.1. This schedule gives these two decades more than a third of its timesteps; almost nothing (6e-6)
    is left at the last one, 0.0005 at 759, 0.02 at 499 and 0.2 at 259.

    But outlines and textures vary in directions of the latent that have a tenth of its variance and less: they are lost in as
    little noise as BETAS leave at timestep 19, 0.08. FINE_BETAS (Ho et al. 2020) leave 0.005 there and 0.02 at 39, and give
    the two decades above as many timesteps.
    """
    betas = torch.linspace(*betas, steps, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0).float()


def betas_of(file):
    """The schedule of a text model's weights: what sharpen_text_model.py wrote has a finer one."""
    with safe_open(file, framework="pt") as weights:
        return tuple(json.loads((weights.metadata() or {}).get("betas", json.dumps(BETAS))))


def matching_timesteps(shares, of):
    """Of every timestep of a schedule with the signal's `shares`, the one with as much noise in another, whose shares are `of`:
    (timesteps) float32, between whole ones; 0 where there is less noise than that one has."""
    wanted, known = -shares.double().log(), -of.double().log()
    above = torch.searchsorted(known, wanted).clamp(1, len(known) - 1)
    below = above - 1
    return (below + (wanted - known[below]) / (known[above] - known[below])).clamp(0, len(known) - 1).float()


def noised_to(latent, a):
    """With so much fresh noise that the latent's share is `a`, a tensor."""
    return a.sqrt() * latent + (1 - a).sqrt() * torch.randn_like(latent)


class CaptionedLatents:
    """Latents, scaled as everywhere in the autoencoder's bundle, the tokens of their captions, and what they show.

    On a GPU they are kept in its memory, at places that stay: fetching them would take longer than a step, and a step that is
    replayed (replay.py) looks for them where they were.
    """

    def __init__(self, folder, dropped, device="cpu"):
        """`dropped`: the share of captions that are replaced by the null word, for guidance."""
        self.words = vocabulary()
        self.numbers = {word: i for i, word in enumerate(self.words)}
        self.dropped, self.device = dropped, torch.device(device)
        self.null = torch.tensor(token_ids("", self.numbers), device=device)
        self.mapped = np.load(folder / "latents.npy", mmap_mode="r")
        on_gpu = self.device.type == "cuda"
        self.kept = torch.empty(self.mapped.shape, dtype=torch.float16, device=device) if on_gpu else None
        self.captions = (folder / "captions.jsonl").open()
        self.count = 0
        self.there = torch.zeros((), dtype=torch.float64, device=device)  # `count`, where a replayed step finds it
        self.ids = torch.empty((len(self.mapped), LENGTH), dtype=torch.long, device=device)
        # Of every property, as scene_facts.py counts them.
        self.classes = torch.empty((len(self.mapped), len(PROPERTIES)), dtype=torch.long, device=device)
        scaling = json.loads((folder / SCALING).read_text())
        self.scale, self.shift = scaling["scale"], scaling["shift"]
        self.grow()
        if self.count == 0:
            raise SystemExit(f"{folder} holds no latents yet")

    def grow(self):
        """Takes in what draw_latents.py, which may still be at work, has added."""
        ids, classes, place = [], [], self.captions.tell()
        while (text := self.captions.readline()).endswith("\n"):
            line = json.loads(text)
            ids.append(token_ids(line["caption"], self.numbers))
            classes.append([class_of(name, line["scene"]) for name in PROPERTIES])
            place = self.captions.tell()
        self.captions.seek(place)  # before a line that is not complete yet
        if not ids:
            return
        new = slice(self.count, self.count + len(ids))
        self.ids[new], self.classes[new] = torch.tensor(ids).to(self.device), torch.tensor(classes).to(self.device)
        if self.kept is not None:
            for first in range(new.start, new.stop, 4096):
                last = min(first + 4096, new.stop)
                self.kept[first:last] = torch.from_numpy(np.array(self.mapped[first:last])).to(self.device)
        self.count = new.stop
        self.there.fill_(self.count)

    @property
    def channels(self):
        return self.mapped.shape[1]

    def choose(self, count):
        """The numbers of some of them, drawn by torch's generator."""
        return (torch.rand(count, dtype=torch.float64, device=self.device) * self.there).long()

    def latents(self, chosen):
        """(count, C, h, w) float32"""
        if self.kept is None:
            latent = torch.from_numpy(self.mapped[chosen.numpy()].astype(np.float32))
        else:
            latent = self.kept[chosen].float()
        return (latent - self.shift) * self.scale

    def batch(self, count):
        """(count, C, h, w) float32 and (count, length) int64, some captions dropped."""
        chosen = self.choose(count)
        dropped = torch.rand(count, 1, device=self.device) < self.dropped
        return self.latents(chosen), torch.where(dropped, self.null, self.ids[chosen])

    def metadata(self):
        """Of a file of weights: what the bundle must say of them."""
        return {"words": json.dumps(self.words)}
