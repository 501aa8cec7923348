"""Trains a classifier of drawn landscapes for measure_captions.py, or a classifier of latents for tune_text_model.py.

  train_classifier.py RUN_FOLDER [--steps N]                                  writes RUN_FOLDER/classifier.safetensors
  train_classifier.py RUN_FOLDER --latents LATENTS_FOLDER [--steps N]         on the output of draw_latents.py

Prints the accuracy of an image classifier on held-out landscapes. Running the same command again resumes an interrupted
training.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from captioned_latents import CaptionedLatents
from draw_latents import CaptionedImages
from drawn_images import FIRST_SEED
from fact_classifier import OUTER_LAYERS, FactClassifier, classify, load_classifier, loss_of, to_pixels
from muon import MuonAdamW
from scene_facts import PROPERTIES, class_of
from torch.nn import functional as F
from training import Average, Run, save_half, save_whole

HELD_OUT_SEED = 50_000
SHIFT = 8  # pixels


def drawn(seed, count):
    """Images (count, 256, 256, 3) uint8 and their scenes."""
    images, lines = zip(*CaptionedImages(seed, count), strict=True)
    return np.stack(images), [line["scene"] for line in lines]


def training_set(folder, count):
    """The same, memory-mapped and cached in `folder`."""
    images, scenes = folder / "images.npy", folder / "scenes.json"
    if not (images.exists() and scenes.exists()) or len(json.loads(scenes.read_text())) != count:
        print(f"drawing {count} landscapes", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        made = drawn(FIRST_SEED, count)
        save_whole(lambda temporary: scenes_file(temporary, made[1]), scenes)
        save_whole(lambda temporary: array_file(temporary, made[0]), images)
    return np.load(images, mmap_mode="r"), json.loads(scenes.read_text())


def scenes_file(path, scenes):
    path.write_text(json.dumps(scenes))


def array_file(path, array):
    with path.open("wb") as file:
        np.save(file, array)


def varied(images, device):
    """A batch of images as augmented pixels: shifted, half of them mirrored, some batches blurred, with some noise. Generated
    images are less clean than drawn ones and place objects differently."""
    random = np.random.default_rng(torch.randint(2**31, ()).item())
    side = images.shape[1]
    y, x = random.integers(2 * SHIFT + 1, size=2)
    around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    moved = np.pad(images, around, "reflect")[:, y : y + side, x : x + side]
    mirrored = random.random(len(moved)) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    pixels = softened(to_pixels(moved).to(device, non_blocking=True))
    return pixels + 0.06 * random.random() * torch.randn_like(pixels[:1])


def accuracy(model, images, scenes):
    """{property: (accuracy, accuracy of always guessing the most common value)}."""
    shown, result = classify(model, images), {}
    for name, values in PROPERTIES.items():
        truth = [scene[name] for scene in scenes]
        right = sum(one[name] == value for one, value in zip(shown, truth, strict=True))
        result[name] = (right / len(truth), max(truth.count(value) for value in values) / len(truth))
    return result


def softened(x):
    """Blurs some batches, at most to 3x3 means."""
    if torch.rand(()) < 0.5:
        return x
    return torch.lerp(x, F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False), torch.rand(()).item())


class Images:
    """Augmented batches of drawn landscapes and the classes of their properties."""

    def __init__(self, folder, count, device):
        self.images, all_scenes = training_set(folder, count)
        self.classes = torch.tensor([[class_of(name, scene) for name in PROPERTIES] for scene in all_scenes])
        self.device, self.latent_channels = device, None

    def batch(self, count):
        chosen = torch.randint(0, len(self.classes), (count,)).sort().values
        return varied(self.images[chosen.numpy()], self.device), self.classes[chosen].to(self.device)


class Latents:
    """The same for latents. The data contains mirror images, and latents cannot be shifted by single pixels, so they are only
    blurred and noised, as generated latents differ from drawn ones."""

    def __init__(self, folder, device):
        self.data = CaptionedLatents(folder, 0, device)
        self.device, self.latent_channels = device, self.data.channels

    def batch(self, count):
        chosen = self.data.choose(count).sort().values
        latent = softened(self.data.latents(chosen))
        return latent + 0.2 * torch.rand(()).item() * torch.randn_like(latent), self.data.classes[chosen]


def train(folder, steps=1500, scenes=16000, batch_size=32, learning_rate=2e-2, seed=0, device="cpu", latents=None):
    """Writes folder/classifier.safetensors after the last step; exits if it is interrupted."""
    data = Latents(latents, device) if latents else Images(folder, scenes, device)
    torch.manual_seed(seed)
    model = FactClassifier(data.latent_channels).to(device)
    run = Run(folder, model, MuonAdamW(model, OUTER_LAYERS), Average(model, 0.995), steps, learning_rate)
    run.resume(seed)
    for _ in run.rest():
        x, classes = data.batch(batch_size)
        loss = loss_of(model(x), classes)
        run.take_step(loss, run.taken + batch_size)
    if run.stopped:
        raise SystemExit(130)
    save_half(run.average.weights, folder / "classifier.safetensors", {"step": str(run.step)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latents", type=Path, help="train on these latents instead of images")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--scenes", type=int, default=16000, help="number of drawn landscapes to train on")
    parser.add_argument("--held-out", type=int, default=1000, help="number of held-out landscapes to evaluate on")
    parser.add_argument("--lr", type=float, default=2e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    train(arguments.folder, arguments.steps, arguments.scenes, arguments.batch_size, arguments.lr, arguments.seed,
          arguments.device, arguments.latents)  # fmt: skip
    if arguments.latents:
        return
    model = load_classifier(arguments.folder / "classifier.safetensors")
    print("| property | accuracy | most common value |\n| --- | ---: | ---: |")
    for name, (right, commonest) in accuracy(model, *drawn(HELD_OUT_SEED, arguments.held_out)).items():
        print(f"| {name} | {right:.1%} | {commonest:.1%} |")


if __name__ == "__main__":
    main()
