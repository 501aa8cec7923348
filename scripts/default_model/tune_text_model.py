"""Tunes the distilled text model on the pictures that it draws itself.

  tune_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --classifiers FOLDER...
                     [--finisher text_model.safetensors] [--steps N]

What a caption names can be a handful of the latent's sites, which squared errors hardly see. Here the model draws captions
from pure noise by the LCM sampler's steps, and classifiers of latents say how well the picture shows what the caption
names; their gradients go back through the steps (as in DRaFT, Clark et al. 2023, arXiv 2309.17400). Each FOLDER is what
train_classifier.py --latents writes, with a seed of its own: what pleases one and not the other is no picture of the thing.
A critic, which learns beside the model, says what tells its pictures from drawn ones (latent_critic.py). Both are pleased
by fine grids, grain and ragged outlines too, so a leash holds the model to what it was, and teaches it shapes meanwhile: it
holds to the model's own answers led away from those that it gives with its self-attention taken out (perturbed-attention
guidance), which the sampler then need not do. The pattern that the model's strides leave and the grain that drawn latents
lack are taken back (latent_statistics.py). Pictures are measured with another classifier, which sees pixels. Writes
RUN_FOLDER/text_model.safetensors.
"""

import copy
from pathlib import Path

import torch
from captioned_latents import CaptionedLatents, noised_to, signal_shares
from distill_text_model import LCM_STEPS, clean_of, lcm_timesteps
from fact_classifier import load_classifier, loss_of
from latent_critic import Adversary, noised
from latent_statistics import grain_distance, pattern_of
from muon import MuonAdamW
from scene_facts import PROPERTIES
from text_networks import OUTER_LAYERS, load_text_model, perturbed_copy
from torch.nn import functional as F
from train_text_model import finish, training_parser, velocity_of
from training import Average, Run, compile_on_gpu

# Of the LCM sampler, for a batch one of them: the model must draw well with both. DDIM keeps the noise of the start, and so the
# model sees what it saw at first, two suns or a torn boat; in fresh noise, steps find one of them, and whole.
STEP_COUNTS = (4, 6)
LEARNS_BELOW = 800  # timesteps that learn: before, there is hardly anything but noise, and sky and ground are right already
FINISHING = 2  # of them, the last ones, tell outlines and textures: tuning makes these ragged first
SAMPLING = {"default_sampler": "lcm", "default_steps": STEP_COUNTS[-1], "default_guidance": 1.0}  # guidance finds no more
ATTENTION_GUIDANCE = 0.8  # of what the leash holds to, but for the last timestep, where it would roughen textures
WEIGHTS = {"facts": 2.5, "critic": 0.5, "leash": 6.0, "pattern": 500.0, "grain": 5.0}
NOISE = 0.3  # deviation, at the most, on scaled latents before they are judged: what is to be seen survives, fine grids do not
# Not judged: the drawn world has one sun or moon, so that to the classifier two are only surer, and the model draws two.
NOT_JUDGED = ("orb",)
# What is small and often wrong, and not in every caption: those that name more of it are drawn more often.
RARE = ("building", "boat", "animals")
RARE_WEIGHT = 2.0  # of each, where a caption without any weighs 1


def draw_timesteps():
    """Of a batch."""
    return lcm_timesteps(STEP_COUNTS[torch.randint(len(STEP_COUNTS), ()).item()])


def walk(model, noise, text, shares, timesteps):
    """The LCM sampler's steps from `noise`, or from a latent that is noised to the first of other timesteps, as fmboost takes
    them, without guidance: [(timestep, x, clean latents that the model sees in it)]. The last of these are what is drawn.
    Gradients go back through the timesteps that learn."""
    x, steps = noise, []
    for i, now in enumerate(timesteps):
        a = shares[now]
        with torch.set_grad_enabled(torch.is_grad_enabled() and now < LEARNS_BELOW):
            clean = clean_of(x, velocity_of(model, x, torch.full((len(x),), now, device=x.device), text), a)
        steps.append((now, x, clean))
        if i + 1 < len(timesteps):
            x = noised_to(clean, shares[timesteps[i + 1]])
    return steps


class Guide:
    """A frozen text model and the same without self-attention."""

    def __init__(self, model):
        self.model = model.requires_grad_(False)
        self.perturbed = perturbed_copy(model)

    @torch.no_grad()
    def velocity(self, x, timestep, ids, guidance):
        text = self.model.text_encoder(ids)
        velocity = velocity_of(self.model, x, timestep, text)
        if guidance:
            velocity = velocity + guidance * (velocity - velocity_of(self.perturbed, x, timestep, text))
        return velocity


class Tuning:
    def __init__(self, origin, classifiers, shares, weights=None, finisher=None):
        """`origin`: what the leash holds to; `finisher`: the same for the FINISHING last timesteps, `origin` without one;
        `weights`: {loss: weight}, WEIGHTS without them."""
        self.origin, self.shares, self.weights = Guide(origin), shares, weights or WEIGHTS
        self.finisher = Guide(finisher) if finisher else self.origin
        self.classifiers = [classifier.requires_grad_(False) for classifier in classifiers]
        self.adversary = Adversary(self.classifiers[0]) if self.weights["critic"] else None

    def networks(self):
        """All that it asks, to be compiled."""
        models = [model for guide in {self.origin, self.finisher} for model in (guide.model, guide.perturbed)]
        critics = [self.adversary.critic] if self.adversary else []
        return [part for model in models for part in model.children()] + critics + self.classifiers

    def losses(self, student, drawn, noise, ids, classes, timesteps=LCM_STEPS):
        """{name: loss} of the pictures that the student draws of the captions `ids` from `noise`, beside drawn ones of these
        captions, where it has a weight; and these pictures, scaled latents."""
        steps = walk(student, noise, student.text_encoder(ids), self.shares, timesteps)
        latent = steps[-1][2]
        losses = {
            "facts": lambda: self.facts(latent, classes), "critic": lambda: self.adversary.loss(latent, classes),
            "leash": lambda: self.leash(steps, ids), "pattern": lambda: pattern_of(latent),
            "grain": lambda: grain_distance(latent, drawn),
        }  # fmt: skip
        return {name: loss() for name, loss in losses.items() if self.weights[name]}, latent

    def facts(self, latent, classes):
        """Mean cross entropy of the judged properties in scaled latents; `classes` (B, properties)."""
        rough = noised(latent, 0, NOISE)
        losses = [loss_of(classifier(rough), classes, left_out=NOT_JUDGED) for classifier in self.classifiers]
        return torch.stack(losses).mean()

    def leash(self, steps, ids):
        """How far the student is from its guides' answers at the steps of its walk that learn: mean squared difference of
        velocities."""
        steps, losses = [step for step in steps if step[0] < LEARNS_BELOW], []
        for left, (timestep, x, clean) in zip(range(len(steps), 0, -1), steps, strict=True):
            guide = self.finisher if left <= FINISHING else self.origin
            now, a = torch.full((len(x),), timestep, device=x.device), self.shares[timestep]
            wanted = clean_of(x, guide.velocity(x, now, ids, ATTENTION_GUIDANCE if left > 1 else 0), a)
            losses.append(F.mse_loss(clean, wanted) / (1 - a))
        return torch.stack(losses).mean()


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
    parser.add_argument("--finisher", help=f"weights that the leash holds the last {FINISHING} timesteps to (the student's)")
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
    load = lambda file: load_text_model(file, len(data.words), data.channels).to(arguments.device)  # noqa: E731
    student = load(arguments.student)
    files = [folder / "classifier.safetensors" for folder in arguments.classifiers]
    classifiers = [load_classifier(file, data.channels).to(arguments.device) for file in files]
    of_losses = {name: getattr(arguments, name) for name in WEIGHTS}
    finisher = load(arguments.finisher) if arguments.finisher else None
    work = Tuning(copy.deepcopy(student), classifiers, signal_shares().to(arguments.device), of_losses, finisher)
    weights = weights_of_captions(data.classes)

    def draw_captions():
        """Drawn latents, noise of their shape, and the tokens of their captions and what these name."""
        chosen = torch.multinomial(weights, arguments.batch_size, replacement=True)
        drawn = data.latents(chosen)
        return drawn, torch.randn_like(drawn), data.ids[chosen].to(data.device), data.classes[chosen].to(data.device)

    compile_on_gpu(*student.children(), *work.networks())
    beside = {"critic": work.adversary} if work.adversary else {}
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20, beside=beside)  # fmt: skip
    run.resume(arguments.seed)
    for _ in range(arguments.critic_ahead if work.adversary and not run.step else 0):
        drawn, noise, ids, classes = draw_captions()
        with torch.no_grad():
            latent = walk(student, noise, student.text_encoder(ids), work.shares, draw_timesteps())[-1][2]
        work.adversary.meet(drawn, latent, classes, arguments.critic_steps)
    for _ in run.rest():
        drawn, noise, ids, classes = draw_captions()
        losses, latent = work.losses(student, drawn, noise, ids, classes, draw_timesteps())
        loss = sum(work.weights[name] * loss for name, loss in losses.items())
        own = {"critic's own": work.adversary.error} if work.adversary else {}
        run.take_step(loss, run.taken + len(drawn), every=20, parts=losses | own)
        if work.adversary:
            work.adversary.meet(drawn, latent, classes, arguments.critic_steps)

    run.average.weights = mixed(run.average.weights, work.origin.model.state_dict(), arguments.kept)
    finish(run, data, SAMPLING)


if __name__ == "__main__":
    main()
