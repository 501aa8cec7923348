"""Tunes the text model on the images that it draws itself.

  tune_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --finisher text_model.safetensors
                     --classifiers FOLDER... [--steps N]

What a caption names can be a handful of the latent's latent pixels, which other losses hardly see. Here the model draws captions
from pure noise by the LCM sampler's steps, and classifiers of latents say how well the image shows what the caption
names; their gradients go back through the steps (as in DRaFT, Clark et al. 2023, arXiv 2309.17400). Each FOLDER is what
train_classifier.py --latents writes, with a seed of its own: what pleases one and not the other is no image of the thing.
They are pleased by fine grids, grain and ragged outlines too, so a leash holds the model to what it was, in the last
timesteps mixed with the distilled model, whose last steps leave no grain; the pattern that the model's strides leave and the
grain that drawn latents lack are taken back (latent_statistics.py). Images are measured with another classifier, which
sees pixels. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy
from pathlib import Path

import torch
from captioned_latents import CaptionedLatents, signal_shares
from fact_classifier import load_classifier, loss_of
from latent_statistics import grain_distance, pattern_of
from muon import MuonAdamW
from sampling import LCM_STEPS, LEARNS_BELOW, SAMPLING, STEP_COUNTS, clean_of, lcm_timesteps, velocity_of, walk
from scene_facts import PROPERTIES
from text_networks import OUTER_LAYERS
from torch.nn import functional as F
from train_text_model import finish, load_for, training_parser
from training import Average, Run, compile_on_gpu

FINISHING = 2  # of the timesteps, the last ones, tell outlines and textures: tuning makes these ragged first
FINISHER_SHARE = 0.4  # of the distilled weights in what the leash holds these timesteps to
WEIGHTS = {"facts": 2.5, "leash": 20.0, "pattern": 500.0, "grain": 3.0}
NOISE = 0.3  # deviation, at the most, on scaled latents before they are judged: what is to be seen survives, fine grids do not
# Not judged: the drawn world has one sun or moon, so that to the classifier two are only surer, and the model draws two.
NOT_JUDGED = ("orb",)
# What is small and often wrong, and not in every caption: those that name more of it are drawn more often.
RARE = ("building", "boat", "animals")
RARE_WEIGHT = 2.0  # of each, where a caption without any weighs 1


def draw_timesteps():
    """Of a batch: four or six."""
    return lcm_timesteps(STEP_COUNTS[torch.randint(len(STEP_COUNTS), ()).item()])


class Tuning:
    def __init__(self, origin, finisher, classifiers, shares, weights=None):
        """`origin`: what the leash holds to, `finisher`: the same for the FINISHING last timesteps; `weights`: {loss: weight},
        WEIGHTS without them."""
        self.origin, self.finisher = origin.requires_grad_(False), finisher.requires_grad_(False)
        self.shares, self.weights = shares, weights or WEIGHTS
        self.classifiers = [classifier.requires_grad_(False) for classifier in classifiers]

    def networks(self):
        """All that it asks, to be compiled."""
        return [*self.origin.children(), *self.finisher.children(), *self.classifiers]

    def losses(self, student, drawn, noise, ids, classes, timesteps=LCM_STEPS):
        """{name: loss} of the images that the student draws of the captions `ids` from `noise`, beside drawn ones of these
        captions, where it has a weight."""
        steps = walk(student, noise, student.text_encoder(ids), self.shares, timesteps)
        latent = steps[-1][2]
        losses = {
            "facts": lambda: self.facts(latent, classes), "leash": lambda: self.leash(steps, ids),
            "pattern": lambda: pattern_of(latent), "grain": lambda: grain_distance(latent, drawn),
        }  # fmt: skip
        return {name: loss() for name, loss in losses.items() if self.weights[name]}

    def facts(self, latent, classes):
        """Mean cross entropy of the judged properties in scaled latents; `classes` (B, properties)."""
        rough = latent + NOISE * torch.rand(()).item() * torch.randn_like(latent)
        losses = [loss_of(classifier(rough), classes, left_out=NOT_JUDGED) for classifier in self.classifiers]
        return torch.stack(losses).mean()

    def leash(self, steps, ids):
        """How far the student is from its guides' answers at the steps of its walk that learn: mean squared difference of
        velocities."""
        steps, losses = [step for step in steps if step[0] < LEARNS_BELOW], []
        for left, (timestep, x, clean) in zip(range(len(steps), 0, -1), steps, strict=True):
            guide = self.finisher if left <= FINISHING else self.origin
            now, a = torch.full((len(x),), timestep, device=x.device), self.shares[timestep]
            with torch.no_grad():
                wanted = clean_of(x, velocity_of(guide, x, now, guide.text_encoder(ids)), a)
            losses.append(F.mse_loss(clean, wanted) / (1 - a))
        return torch.stack(losses).mean()


def weights_of_captions(classes):
    """(N) how often each is to be drawn; `classes` (N, properties), 0 where a thing is absent."""
    names = list(PROPERTIES)
    return 1 + RARE_WEIGHT * (classes[:, [names.index(name) for name in RARE]] > 0).sum(1)


def mixed(model, other, share):
    """A model with a share of another's weights (as Wortsman et al. 2022, arXiv 2109.01903)."""
    theirs = other.state_dict()
    weights = {name: torch.lerp(tensor, theirs[name], share) for name, tensor in model.state_dict().items()}
    result = copy.deepcopy(model)
    result.load_state_dict(weights)
    return result


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=400, batch_size=12, learning_rate=6e-5)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--finisher", required=True, help=f"the distilled weights, for the last {FINISHING} timesteps")
    parser.add_argument("--classifiers", required=True, type=Path, nargs="+")
    for name, weight in WEIGHTS.items():
        parser.add_argument(f"--{name}", type=float, default=weight, help="weight of a loss")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student = load_for(data, arguments.student)
    files = [folder / "classifier.safetensors" for folder in arguments.classifiers]
    classifiers = [load_classifier(file, data.channels).to(arguments.device) for file in files]
    of_losses = {name: getattr(arguments, name) for name in WEIGHTS}
    finisher = mixed(student, load_for(data, arguments.finisher), FINISHER_SHARE)
    work = Tuning(copy.deepcopy(student), finisher, classifiers, signal_shares().to(arguments.device), of_losses)
    weights = weights_of_captions(data.classes[: data.count])

    def draw_captions():
        """Drawn latents, noise of their shape, and the tokens of their captions and what these name."""
        chosen = torch.multinomial(weights, arguments.batch_size, replacement=True)
        drawn = data.latents(chosen)
        return drawn, torch.randn_like(drawn), data.ids[chosen], data.classes[chosen]

    compile_on_gpu(*student.children(), *work.networks())
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20)  # fmt: skip
    run.resume(arguments.seed)
    for _ in run.rest():
        drawn, noise, ids, classes = draw_captions()
        losses = work.losses(student, drawn, noise, ids, classes, draw_timesteps())
        run.take_step(sum(work.weights[name] * loss for name, loss in losses.items()), run.taken + len(drawn), every=20,
                      parts=losses)  # fmt: skip

    finish(run, data, SAMPLING)


if __name__ == "__main__":
    main()
