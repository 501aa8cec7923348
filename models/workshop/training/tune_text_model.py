"""Tunes the text model on the images that it generates.

  tune_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --finisher text_model.safetensors
                     --classifiers FOLDER... [--steps N]

A named object can cover only a handful of latent pixels, to which other losses are nearly blind. Here the model generates
images of captions from pure noise by the steps of the LCM sampler, and classifiers of latents judge how well they show what
the captions name; the gradients flow back through the steps (as in DRaFT, Clark et al. 2023, arXiv 2309.17400). Each FOLDER is
an output of train_classifier.py --latents, trained with its own seed: a pattern that only one classifier accepts is not the
object. Classifiers also reward fine grids, grain and ragged outlines. Therefore a regularizer (the leash) keeps the model
close to its origin, which for the last timesteps is mixed with the distilled model, whose last steps leave no grain; and
latent_statistics.py penalizes the periodic pattern of the model's strides and grain that drawn latents do not have. The
final images are measured with a separate classifier, which sees pixels. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy
from pathlib import Path

import torch
from captioned_latents import CaptionedLatents, signal_shares
from fact_classifier import load_classifier, loss_of
from latent_statistics import grain_distance, pattern_of
from muon import MuonAdamW
from sampling import LCM_STEPS, LEARNS_BELOW, SAMPLING, STEP_COUNTS, clean_of, lcm_timesteps, rollout, velocity_of
from scene_facts import PROPERTIES
from text_networks import OUTER_LAYERS
from torch.nn import functional as F
from train_text_model import finish, load_for, training_parser
from training import Average, Run, compile_on_gpu

FINISHING = 2  # the last timesteps, which decide outlines and textures: tuning makes these ragged first
FINISHER_SHARE = 0.4  # share of the distilled weights in the leash's reference for these timesteps
WEIGHTS = {"facts": 2.5, "leash": 20.0, "pattern": 500.0, "grain": 3.0}
NOISE = 0.3  # maximum deviation of noise on scaled latents before they are judged: objects survive it, fine grids do not
# Not judged: drawn images have at most one sun or moon, so two only raise a classifier's confidence and the model draws two.
NOT_JUDGED = ("orb",)
# Small objects that are often wrong and not in every caption: captions that name more of them are sampled more often.
RARE = ("building", "boat", "animals")
RARE_WEIGHT = 2.0  # added per object; a caption without any has weight 1


def draw_timesteps():
    """The timesteps for a batch: four or six."""
    return lcm_timesteps(STEP_COUNTS[torch.randint(len(STEP_COUNTS), ()).item()])


class Tuning:
    def __init__(self, origin, finisher, classifiers, shares, weights=None):
        """`origin`: reference model of the leash; `finisher`: the same for the FINISHING last timesteps; `weights`:
        {loss: weight}, default WEIGHTS."""
        self.origin, self.finisher = origin.requires_grad_(False), finisher.requires_grad_(False)
        self.shares, self.weights = shares, weights or WEIGHTS
        self.classifiers = [classifier.requires_grad_(False) for classifier in classifiers]

    def networks(self):
        """All networks that it evaluates, for compilation."""
        return [*self.origin.children(), *self.finisher.children(), *self.classifiers]

    def losses(self, student, drawn, noise, ids, classes, timesteps=LCM_STEPS):
        """{name: loss} for images that the student generates from `noise` and the captions `ids`, compared with drawn images
        of the same captions. Losses without a weight are omitted."""
        steps = rollout(student, noise, student.text_encoder(ids), self.shares, timesteps)
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
        """Mean squared difference between the velocities of the student and its reference models, at the steps of its rollout
        that have gradients."""
        steps, losses = [step for step in steps if step[0] < LEARNS_BELOW], []
        for left, (timestep, x, clean) in zip(range(len(steps), 0, -1), steps, strict=True):
            guide = self.finisher if left <= FINISHING else self.origin
            now, a = torch.full((len(x),), timestep, device=x.device), self.shares[timestep]
            with torch.no_grad():
                wanted = clean_of(x, velocity_of(guide, x, now, guide.text_encoder(ids)), a)
            losses.append(F.mse_loss(clean, wanted) / (1 - a))
        return torch.stack(losses).mean()


def weights_of_captions(classes):
    """(N,) sampling weights; `classes` (N, properties), 0 if an object is absent."""
    names = list(PROPERTIES)
    return 1 + RARE_WEIGHT * (classes[:, [names.index(name) for name in RARE]] > 0).sum(1)


def mixed(model, other, share):
    """Interpolates the weights of two models (Wortsman et al. 2022, arXiv 2109.01903); `share` is that of `other`."""
    theirs = other.state_dict()
    weights = {name: torch.lerp(tensor, theirs[name], share) for name, tensor in model.state_dict().items()}
    result = copy.deepcopy(model)
    result.load_state_dict(weights)
    return result


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=400, batch_size=12, learning_rate=6e-5)
    parser.add_argument("--student", required=True, help="initial weights")
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
        """Drawn latents, noise of their shape, and the tokens and classes of their captions."""
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
