"""Sharpens what the text model draws, by what the patches of drawn pictures look like.

  sharpen_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors [--steps N]

Outlines and textures are small numbers in an f4 latent: at the sampler's last timestep they are lost in noise, and the answer
must make them up. Squared errors answer with the mean of all that fits, which is soft; what judges pictures leaves halos
and grain. Here drawn latents are noised to a last timestep, and the patches of the model's answer are compared with those of
the drawn latent, place by place, as distributions (patch_energy in latent_statistics.py): which outline is chosen is left to
the noise, but it must look like a drawn one. Where the timestep before the last still shows the drawn latent, half of
the samples pass it first, as when pictures are made. At the other timesteps a leash holds the model to what it was. Writes
RUN_FOLDER/text_model.safetensors.
"""

import copy

import torch
from captioned_latents import CaptionedLatents, noised_to, signal_shares
from latent_statistics import WINDOW, patch_energy, whitening_of
from muon import MuonAdamW
from sampling import DRAWING_STEPS, SAMPLING, STEP_COUNTS, clean_of, lcm_timesteps, share_at, velocity_of
from text_networks import OUTER_LAYERS
from torch.nn import functional as F
from train_text_model import finish, load_for, training_parser
from training import Average, Run, compile_on_gpu

SIZES = (1, 3)  # latents a side of the patches
LEASH = 5.0  # weight
HELD_SHARE = 0.25  # of a batch is for the leash
SHOWS = 0.2  # of the signal, at least: the windows of what is made of it still hold what the drawn ones do
WHITENED_ON = 256  # latents


class Sharpening:
    def __init__(self, origin, whitening, shares):
        """`origin`: what the leash holds to; `whitening`: whitening_of drawn latents."""
        self.origin, self.whitening, self.shares = origin.requires_grad_(False), whitening, shares
        timesteps = [lcm_timesteps(n) for n in (*STEP_COUNTS, DRAWING_STEPS)]
        last = [steps[-1] for steps in timesteps]
        self.last = torch.tensor(last, device=shares.device)
        # Of each of these the timestep that may be passed before, or itself.
        self.passed = torch.tensor([steps[-2] if shares[steps[-2]] >= SHOWS else steps[-1] for steps in timesteps],
                                   device=shares.device)  # fmt: skip
        self.held = torch.tensor(sorted({t for steps in timesteps for t in steps} - set(last)), device=shares.device)

    def losses(self, student, latent, ids):
        """Their sum and {name: loss}. `latent` (B, C, h, w): drawn ones, of captions with the tokens `ids`."""
        held = round(len(latent) * HELD_SHARE)
        parts = {"patches": self.patches(self.drawn_by(student, latent[held:], ids[held:]), latent[held:]),
                 "leash": self.leash(student, latent[:held], ids[:held])}  # fmt: skip
        return parts["patches"] + LEASH * parts["leash"], parts

    def drawn_by(self, student, latent, ids):
        """What the student makes of drawn latents at last timesteps."""
        place = torch.randint(len(self.last), (len(latent),), device=latent.device)
        last, passed = self.last[place], self.passed[place]
        with torch.no_grad():  # of all, though few pass: a step that is replayed has one shape
            before = self.clean_at(student, latent, passed, ids)
        passes = (passed != last) & (torch.rand(len(latent), device=latent.device) < 0.5)
        return self.clean_at(student, torch.where(passes[:, None, None, None], before, latent), last, ids)

    def clean_at(self, model, latent, timestep, ids):
        """What the model sees in latents that are noised to their timesteps (B)."""
        a = share_at(self.shares, timestep)
        x = noised_to(latent, a)
        return clean_of(x, velocity_of(model, x, timestep, model.text_encoder(ids)), a)

    def leash(self, student, latent, ids):
        """Mean squared difference of velocities to what the model was, at timesteps that are not to change."""
        timestep = self.held[torch.randint(len(self.held), (len(latent),), device=latent.device)]
        x = noised_to(latent, share_at(self.shares, timestep))
        with torch.no_grad():
            wanted = velocity_of(self.origin, x, timestep, self.origin.text_encoder(ids))
        return F.mse_loss(velocity_of(student, x, timestep, student.text_encoder(ids)), wanted)

    def patches(self, clean, drawn):
        """Sum of the SIZES' energies, windows laid anew."""
        corner = torch.randint(WINDOW, (2,), device=clean.device)
        made, wanted = (F.conv2d(latent, self.whitening) for latent in (clean, drawn))
        return sum(patch_energy(made, wanted, size, corner) for size in SIZES)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=600, batch_size=8, learning_rate=1.5e-4)
    parser.add_argument("--student", required=True, help="weights to start from")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student, shares = load_for(data, arguments.student), signal_shares().to(arguments.device)
    torch.manual_seed(arguments.seed)  # a run that goes on has the same whitening
    whitening = whitening_of(data.latents(data.choose(WHITENED_ON)))
    work = Sharpening(copy.deepcopy(student), whitening, shares)
    compile_on_gpu(*student.children(), *work.origin.children())
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20)  # fmt: skip
    run.resume(arguments.seed)
    step = run.stepper(lambda: work.losses(student, *data.batch(arguments.batch_size)), arguments.batch_size, every=20)
    for _ in run.rest():
        step()

    finish(run, data, SAMPLING)


if __name__ == "__main__":
    main()
