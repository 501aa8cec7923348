"""Training batches from the output of draw_latents.py, and the noise schedules."""

import json
import re
import subprocess

import numpy as np
import torch
from drawn_images import DRAW
from networks import FACTOR
from safetensors import safe_open
from scene_facts import PROPERTIES, class_of

SCALING = "scaling.json"  # next to the latents: scaled = (latent - shift) * scale
LENGTH = 48  # tokens of a caption
PAD, NULL = 0, 1
BETAS = (0.004, 0.02)  # linear schedule; see signal_shares
FINE_BETAS = (0.0001, 0.02)  # linear schedule of sharpened models; see signal_shares


def vocabulary():
    """The padding word, the null word and all words of captions: the bundle's words.json."""
    words = subprocess.run([DRAW, "words"], capture_output=True, text=True, check=True).stdout.split()
    return ["<pad>", "<null>", *sorted({*words, ","})]


def token_ids(caption, words):
    """Same as fmboost's word tokenizer: lower case, commas are words, unknown words are skipped."""
    known = [words[word] for word in re.findall(r",|[^\s,]+", caption.lower()) if word in words] or [NULL]
    known = known[:LENGTH]
    return known + [PAD] * (LENGTH - len(known))


def signal_shares(betas=BETAS, steps=1000):
    """The signal share a (cumulative product of 1 - beta) at every timestep of a linear schedule.

    Stable Diffusion's schedule (scaled linear, 0.00085 to 0.012) leaves 7 % of the latent at the last timestep. With 16
    redundant channels at f4 that still reveals the colors of the image, so a denoiser comes to rely on information that pure
    noise does not contain. For the same reason content is visible in much noise: objects of a few latent pixels appear at
    a = 0.001 and are settled at a = 0.1. BETAS spend more than a third of the timesteps on these two decades; a is 6e-6 at the
    last timestep, 0.0005 at 759, 0.02 at 499 and 0.2 at 259.

    Outlines and textures, however, lie in directions of the latent with a tenth of its variance or less: even the noise of
    BETAS at timestep 19 (0.08) hides them. FINE_BETAS (Ho et al. 2020) have noise 0.005 there and 0.02 at 39, and spend as
    many timesteps on the two decades above.
    """
    betas = torch.linspace(*betas, steps, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0).float()


def betas_of(file):
    """The schedule of a text model file: FINE_BETAS if sharpen_text_model.py wrote it."""
    with safe_open(file, framework="pt") as weights:
        return tuple(json.loads((weights.metadata() or {}).get("betas", json.dumps(BETAS))))


def native_size_of(file):
    """The image side that a text model was trained at."""
    with safe_open(file, framework="pt") as weights:
        return int(weights.metadata()["native_size"])


def matching_timesteps(shares, of):
    """For every timestep of a schedule with signal `shares`, the timestep of equal noise in the schedule with shares `of`:
    (timesteps,) float32, fractional; 0 if there is less noise than at timestep 0 of that schedule."""
    wanted, known = -shares.double().log(), -of.double().log()
    above = torch.searchsorted(known, wanted).clamp(1, len(known) - 1)
    below = above - 1
    return (below + (wanted - known[below]) / (known[above] - known[below])).clamp(0, len(known) - 1).float()


def noised_to(latent, a):
    """Adds fresh noise so that the signal share is the tensor `a`."""
    return a.sqrt() * latent + (1 - a).sqrt() * torch.randn_like(latent)


class CaptionedLatents:
    """Scaled latents, the tokens of their captions and the properties of their scenes.

    On a GPU all of them stay in its memory at fixed addresses: transfers would take longer than a step, and replayed steps
    (replay.py) need fixed addresses.
    """

    def __init__(self, folder, dropped, device="cpu"):
        """`dropped`: the share of captions replaced by the null word, for guidance."""
        self.words = vocabulary()
        self.numbers = {word: i for i, word in enumerate(self.words)}
        self.dropped, self.device = dropped, torch.device(device)
        self.null = torch.tensor(token_ids("", self.numbers), device=device)
        self.mapped = np.load(folder / "latents.npy", mmap_mode="r")
        on_gpu = self.device.type == "cuda"
        self.kept = torch.empty(self.mapped.shape, dtype=torch.float16, device=device) if on_gpu else None
        self.captions = (folder / "captions.jsonl").open()
        self.count = 0
        self.there = torch.zeros((), dtype=torch.float64, device=device)  # `count` at a fixed address, for replayed steps
        self.ids = torch.empty((len(self.mapped), LENGTH), dtype=torch.long, device=device)
        # The class of every property, as numbered by scene_facts.py.
        self.classes = torch.empty((len(self.mapped), len(PROPERTIES)), dtype=torch.long, device=device)
        scaling = json.loads((folder / SCALING).read_text())
        self.scale, self.shift = scaling["scale"], scaling["shift"]
        self.grow()
        if self.count == 0:
            raise SystemExit(f"{folder} contains no latents yet")

    def grow(self):
        """Reads the latents that draw_latents.py, which may still be running, has added."""
        ids, classes, place = [], [], self.captions.tell()
        while (text := self.captions.readline()).endswith("\n"):
            line = json.loads(text)
            ids.append(token_ids(line["caption"], self.numbers))
            classes.append([class_of(name, line["scene"]) for name in PROPERTIES])
            place = self.captions.tell()
        self.captions.seek(place)  # before an incomplete line
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
        """`count` random indices from torch's generator."""
        return (torch.rand(count, dtype=torch.float64, device=self.device) * self.there).long()

    def latents(self, chosen):
        """(count, C, h, w) float32"""
        if self.kept is None:
            latent = torch.from_numpy(self.mapped[chosen.numpy()].astype(np.float32))
        else:
            latent = self.kept[chosen].float()
        return (latent - self.shift) * self.scale

    def batch(self, count):
        """Latents (count, C, h, w) float32 and tokens (count, length) int64, some captions dropped."""
        chosen = self.choose(count)
        dropped = torch.rand(count, 1, device=self.device) < self.dropped
        return self.latents(chosen), torch.where(dropped, self.null, self.ids[chosen])

    def metadata(self):
        """Metadata for a weight file that the bundle needs."""
        return {"words": json.dumps(self.words), "native_size": str(FACTOR * self.mapped.shape[2])}
