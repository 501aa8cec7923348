"""Tunes the distilled text model on the pictures that it draws itself.

  tune_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --classifiers FOLDER... [--steps N]

What a caption names can be a handful of the latent's sites, which squared errors hardly see. Here the model draws captions
from pure noise by the sampler's own four steps, and classifiers of latents say how well the picture shows what the caption
names; their gradients go back through all four steps (as in DRaFT, Clark et al. 2023, arXiv 2309.17400). A leash keeps the
model the denoiser that it was at the last timesteps: without it the classifiers are pleased by fine grids. Each FOLDER is
what train_classifier.py --latents writes, with a seed of its own: what pleases one and not the other is no picture of the
thing. Pictures are measured with another one, which sees pixels. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy
import json
from pathlib import Path

import torch
from captioned_latents import CaptionedLatents, signal_shares
from distill_text_model import SAMPLING, clean_of, ddim_step
from fact_classifier import load_classifier, loss_of
from muon import MuonAdamW
from safetensors.torch import load_file
from scene_facts import PROPERTIES
from text_networks import OUTER_LAYERS, TextModel
from torch.nn import functional as F
from train_text_model import compiled_on_gpu, training_parser, velocity_of
from training import Average, Run, save_half

DDIM_STEPS = (999, 749, 499, 249)  # of fmboost's DDIM sampler with the bundle's schedule, then the clean latent
UNGUIDED = SAMPLING | {"default_guidance": 1.0}  # as it draws here; guidance finds no more, and takes twice as long
LEASHED = 2  # of them are held to what the model was
NOISE = 0.3  # deviation, at the most, on scaled latents before they are judged: what is to be seen survives, fine grids do not
# Not judged: the drawn world has one sun or moon, so that to the classifier two are only surer, and the model draws two.
NOT_JUDGED = ("orb",)
# What is small and often wrong, and not in every caption: those that name more of it are drawn more often.
RARE = ("building", "boat", "animals")
RARE_WEIGHT = 2.0  # of each, where a caption without any weighs 1


def walk(model, noise, text, shares, timesteps=DDIM_STEPS):
    """The sampler's DDIM steps from `noise`, or from a latent that is noised to the first of other timesteps, as fmboost takes
    them, without guidance: [(timestep, x, clean latents that the model sees in it)]. The last of these are what is drawn."""
    x, steps = noise, []
    for i, now in enumerate(timesteps):
        a = shares[now]
        velocity = velocity_of(model, x, torch.full((len(x),), now, device=x.device), text)
        steps.append((now, x, clean_of(x, velocity, a)))
        if i + 1 < len(timesteps):
            x = ddim_step(x, velocity, a, shares[timesteps[i + 1]])
    return steps


class Tuning:
    def __init__(self, origin, classifiers, shares):
        self.origin, self.shares = origin.requires_grad_(False), shares
        self.classifiers = [classifier.requires_grad_(False) for classifier in classifiers]

    def losses(self, student, noise, ids, classes):
        """Of facts and leash, for the pictures that the student draws of the captions `ids` from `noise`."""
        steps = walk(student, noise, student.text_encoder(ids), self.shares)
        return self.facts(steps[-1][2], classes), self.leash(steps[-LEASHED:], ids)

    def facts(self, latent, classes):
        """Mean cross entropy of the judged properties in scaled latents; `classes` (B, properties)."""
        roughness = NOISE * torch.rand(len(latent), 1, 1, 1, device=latent.device)
        rough = latent + roughness * torch.randn_like(latent)
        losses = [loss_of(classifier(rough), classes, left_out=NOT_JUDGED) for classifier in self.classifiers]
        return torch.stack(losses).mean()

    def leash(self, steps, ids):
        """How far the student has gone from what it was, at steps of its walk. Squared differences of clean latents count by
        the ratio of signal to noise, as in the divergence of the two models' walks."""
        text, total = self.origin.text_encoder(ids), 0.0
        for timestep, x, clean in steps:
            now, a = torch.full((len(x),), timestep, device=x.device), self.shares[timestep]
            with torch.no_grad():
                before = clean_of(x, velocity_of(self.origin, x, now, text), a)
            total = total + a / (1 - a) * F.mse_loss(clean, before)
        return total


def weights_of_captions(classes):
    """(N) how often each is to be drawn; `classes` (N, properties), 0 where a thing is absent."""
    names = list(PROPERTIES)
    return 1 + RARE_WEIGHT * (classes[:, [names.index(name) for name in RARE]] > 0).sum(1)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=400, batch_size=16, learning_rate=2e-4)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--classifiers", required=True, type=Path, nargs="+")
    parser.add_argument("--leash", type=float, default=4.0, help="its weight; that of the facts is 1")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student = TextModel(len(data.words), data.channels).to(arguments.device)
    student.load_state_dict(load_file(arguments.student))
    files = [folder / "classifier.safetensors" for folder in arguments.classifiers]
    classifiers = [load_classifier(file, data.channels).to(arguments.device) for file in files]
    work = Tuning(copy.deepcopy(student), classifiers, signal_shares().to(arguments.device))
    weights = weights_of_captions(data.classes)
    compiled_on_gpu(student)
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.99), arguments.steps, arguments.lr,
              arguments.minutes, warmup=30)  # fmt: skip
    run.resume(arguments.seed)
    for _ in run.rest():
        chosen = torch.multinomial(weights, arguments.batch_size, replacement=True)
        noise = torch.randn(len(chosen), *data.mapped.shape[1:], device=data.device)
        facts, leash = work.losses(student, noise, data.ids[chosen].to(data.device), data.classes[chosen].to(data.device))
        loss = facts + arguments.leash * leash
        run.take_step(loss, run.taken + len(chosen), every=20, save_every=20)

    metadata = {"step": str(run.step), "sampling": json.dumps(UNGUIDED)} | data.metadata()
    save_half(run.average.weights, run.folder / "text_model.safetensors", metadata)
    raise SystemExit(130 if run.stopped else 0)


if __name__ == "__main__":
    main()
