"""Tunes the distilled text model on the pictures that it draws itself.

  tune_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --classifiers FOLDER... [--steps N]

What a caption names can be a handful of the latent's sites, which squared errors hardly see. Here the model draws captions
from pure noise by the sampler's own four steps, and classifiers of latents say how well the picture shows what the caption
names; their gradients go back through the steps (as in DRaFT, Clark et al. 2023, arXiv 2309.17400). Each FOLDER is what
train_classifier.py --latents writes, with a seed of its own: what pleases one and not the other is no picture of the thing.
A critic, which learns beside the model, says what tells its pictures from drawn ones (latent_critic.py). Both are pleased
by fine grids and grain too, so a leash holds the model to the denoiser that it was at the last timestep, and the pattern that
its strides leave and the grain that drawn latents lack are taken back (latent_statistics.py). Pictures are measured with
another classifier, which sees pixels. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy
from pathlib import Path

import torch
from captioned_latents import CaptionedLatents, signal_shares
from distill_text_model import SAMPLING, clean_of, ddim_step
from fact_classifier import load_classifier, loss_of
from latent_critic import Adversary, noised
from latent_statistics import grain_distance, pattern_of
from muon import MuonAdamW
from safetensors.torch import load_file
from scene_facts import PROPERTIES
from text_networks import OUTER_LAYERS, TextModel
from torch.nn import functional as F
from train_text_model import finish, training_parser, velocity_of
from training import Average, Run, compile_on_gpu

DDIM_STEPS = (999, 749, 499, 249)  # of fmboost's DDIM sampler with the bundle's schedule, then the clean latent
LEARNED = 3  # of them, the last ones, let gradients through: the first lays out sky and ground, which are right already
UNGUIDED = SAMPLING | {"default_guidance": 1.0}  # as it draws here; guidance finds no more, and takes twice as long
WEIGHTS = {"facts": 2.5, "critic": 0.5, "leash": 6.0, "pattern": 500.0, "grain": 5.0}
NOISE = 0.3  # deviation, at the most, on scaled latents before they are judged: what is to be seen survives, fine grids do not
# Not judged: the drawn world has one sun or moon, so that to the classifier two are only surer, and the model draws two.
NOT_JUDGED = ("orb",)
# What is small and often wrong, and not in every caption: those that name more of it are drawn more often.
RARE = ("building", "boat", "animals")
RARE_WEIGHT = 2.0  # of each, where a caption without any weighs 1


def walk(model, noise, text, shares, timesteps=DDIM_STEPS, learned=LEARNED):
    """The sampler's DDIM steps from `noise`, or from a latent that is noised to the first of other timesteps, as fmboost takes
    them, without guidance: [(timestep, x, clean latents that the model sees in it)]. The last of these are what is drawn.
    Gradients go back through the `learned` last steps."""
    x, steps = noise, []
    for i, now in enumerate(timesteps):
        a = shares[now]
        with torch.set_grad_enabled(torch.is_grad_enabled() and len(timesteps) - i <= learned):
            velocity = velocity_of(model, x, torch.full((len(x),), now, device=x.device), text)
            steps.append((now, x, clean_of(x, velocity, a)))
            if i + 1 < len(timesteps):
                x = ddim_step(x, velocity, a, shares[timesteps[i + 1]])
    return steps


class Tuning:
    def __init__(self, origin, classifiers, shares, weights=None):
        """`origin`: what the leash holds to; `weights`: {loss: weight}, WEIGHTS without them."""
        self.origin, self.shares, self.weights = origin.requires_grad_(False), shares, weights or WEIGHTS
        self.classifiers = [classifier.requires_grad_(False) for classifier in classifiers]
        self.adversary = Adversary(self.classifiers[0])

    def losses(self, student, drawn, noise, ids, classes):
        """{name: loss} of the pictures that the student draws of the captions `ids` from `noise`, beside drawn ones of these
        captions, where it has a weight; and these pictures, scaled latents."""
        steps = walk(student, noise, student.text_encoder(ids), self.shares)
        latent = steps[-1][2]
        losses = {
            "facts": lambda: self.facts(latent, classes), "critic": lambda: self.adversary.loss(latent, classes),
            "leash": lambda: self.leash(*steps[-1], ids), "pattern": lambda: pattern_of(latent),
            "grain": lambda: grain_distance(latent, drawn),
        }  # fmt: skip
        return {name: loss() for name, loss in losses.items() if self.weights[name]}, latent

    def facts(self, latent, classes):
        """Mean cross entropy of the judged properties in scaled latents; `classes` (B, properties)."""
        rough = noised(latent, 0, NOISE)
        losses = [loss_of(classifier(rough), classes, left_out=NOT_JUDGED) for classifier in self.classifiers]
        return torch.stack(losses).mean()

    def leash(self, timestep, x, clean, ids):
        """How far the student has gone from what it was, at the last step of its walk: shapes come before it, and what is asked
        of it is grain. Squared differences of clean latents count by the ratio of signal to noise, as in the divergence of
        the two models' walks."""
        now, a = torch.full((len(x),), timestep, device=x.device), self.shares[timestep]
        with torch.no_grad():
            before = clean_of(x, velocity_of(self.origin, x, now, self.origin.text_encoder(ids)), a)
        return a / (1 - a) * F.mse_loss(clean, before)


def weights_of_captions(classes):
    """(N) how often each is to be drawn; `classes` (N, properties), 0 where a thing is absent."""
    names = list(PROPERTIES)
    return 1 + RARE_WEIGHT * (classes[:, [names.index(name) for name in RARE]] > 0).sum(1)


def mixed(weights, origin, kept):
    """The tuned weights with a share `kept` of those before (as Wortsman et al. 2022, arXiv 2109.01903)."""
    return {name: torch.lerp(tensor, origin[name], kept) for name, tensor in weights.items()}


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=400, batch_size=12, learning_rate=5e-5)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--classifiers", required=True, type=Path, nargs="+")
    for name, weight in WEIGHTS.items():
        parser.add_argument(f"--{name}", type=float, default=weight, help="weight of a loss")
    parser.add_argument("--kept", type=float, default=0.0, help="share of the weights before, in the end: less grain")
    parser.add_argument("--critic-ahead", type=int, default=60, help="batches that the critic meets before the model learns")
    parser.add_argument("--critic-steps", type=int, default=4, help="of the critic for each step of the model")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student = TextModel(len(data.words), data.channels).to(arguments.device)
    student.load_state_dict(load_file(arguments.student))
    files = [folder / "classifier.safetensors" for folder in arguments.classifiers]
    classifiers = [load_classifier(file, data.channels).to(arguments.device) for file in files]
    of_losses = {name: getattr(arguments, name) for name in WEIGHTS}
    work = Tuning(copy.deepcopy(student), classifiers, signal_shares().to(arguments.device), of_losses)
    weights = weights_of_captions(data.classes)

    def draw_captions():
        """Drawn latents, noise of their shape, and the tokens of their captions and what these name."""
        chosen = torch.multinomial(weights, arguments.batch_size, replacement=True)
        drawn = data.latents(chosen)
        return drawn, torch.randn_like(drawn), data.ids[chosen].to(data.device), data.classes[chosen].to(data.device)

    compile_on_gpu(*student.children(), *work.origin.children(), work.adversary.critic, *work.classifiers)
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20, beside={"critic": work.adversary})  # fmt: skip
    run.resume(arguments.seed)
    for _ in range(0 if run.step else arguments.critic_ahead):
        drawn, noise, ids, classes = draw_captions()
        with torch.no_grad():
            latent = walk(student, noise, student.text_encoder(ids), work.shares)[-1][2]
        work.adversary.meet(drawn, latent, classes, arguments.critic_steps)
    for _ in run.rest():
        drawn, noise, ids, classes = draw_captions()
        losses, latent = work.losses(student, drawn, noise, ids, classes)
        loss = sum(work.weights[name] * loss for name, loss in losses.items())
        run.take_step(loss, run.taken + len(drawn), every=20, parts=losses | {"critic's own": work.adversary.error})
        work.adversary.meet(drawn, latent, classes, arguments.critic_steps)

    run.average.weights = mixed(run.average.weights, work.origin.state_dict(), arguments.kept)
    finish(run, data, UNGUIDED)


if __name__ == "__main__":
    main()
