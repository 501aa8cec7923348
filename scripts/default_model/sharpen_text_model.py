"""Sharpens what the text model draws, by what the patches of drawn pictures look like.

  sharpen_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors [--steps N]

Outlines and textures are small numbers in an f4 latent, far below the noise of the last timesteps that the model was trained
on. So it is moved to a finer schedule first (FINE_BETAS), whose last timesteps leave less noise than they are large; what it
knew it knows there too, at the timesteps with as much noise (retime in text_networks.py).

Then it learns the timesteps that still show the picture. Squared errors would answer with the mean of all that fits, which
is soft. Here drawn latents are noised, the model takes some of the sampler's steps, and the patches of each answer are
compared with those of the drawn latent, place by place, as distributions (patch_energy in latent_statistics.py): which
outline is chosen is left to the noise, but it must look like a drawn one. Where hardly any noise is left, the first answer
must also be near the drawn latent itself. At the other timesteps a leash holds the model to what it was. Writes
RUN_FOLDER/text_model.safetensors.
"""

import torch
from captioned_latents import FINE_BETAS, CaptionedLatents, betas_of, matching_timesteps, noised_to, signal_shares
from latent_statistics import WINDOW, differences, patch_energy, whitening_of
from muon import MuonAdamW
from sampling import ORIGINAL_STEPS, SAMPLING, clean_of, lcm_timesteps, share_at, velocity_of
from text_networks import OUTER_LAYERS, retime
from torch.nn import functional as F
from train_text_model import finish, load_sharpened, training_parser
from training import Average, Run, compile_on_gpu

SIZES = (1, 3)  # latents a side of the patches
LEASH = 5.0  # weight
HELD_SHARE = 0.25  # of a batch is for the leash
SHOWS = 0.4  # of the signal, at least: the windows of what is made of it still hold what the drawn ones do
WALK = 3  # steps of the sampler in a row
STRIDES = (40, 80)  # of them, in timesteps: of 25 and about 12 steps
NOISY = 0.15  # of noise, and more: the answer need not be near the drawn latent
WHITENED_ON = 256  # latents
ALL_TIMESTEPS = lcm_timesteps(ORIGINAL_STEPS)


class Sharpening:
    def __init__(self, origin, whitening, coarse, fine):
        """`origin`: what the leash holds to, of the schedule with the signal's shares `coarse`; the student's has `fine`;
        `whitening`: whitening_of drawn latents."""
        self.origin, self.whitening, self.shares = origin.requires_grad_(False), whitening, fine
        self.same = matching_timesteps(fine, coarse)
        device = fine.device
        self.learned = torch.tensor([t for t in ALL_TIMESTEPS if fine[t] >= SHOWS], device=device)
        self.held = torch.tensor([t for t in ALL_TIMESTEPS if fine[t] < SHOWS], device=device)
        self.strides = torch.tensor(STRIDES, device=device)

    def losses(self, student, latent, ids):
        """Their sum and {name: loss}. `latent` (B, C, h, w): drawn ones, of captions with the tokens `ids`."""
        held = round(len(latent) * HELD_SHARE)
        patches, near = self.walk(student, latent[held:], ids[held:])
        leash = self.leash(student, latent[:held], ids[:held])
        return patches + near + LEASH * leash, {"patches": patches, "near": near, "leash": leash}

    def walk(self, student, latent, ids):
        """From drawn latents at any of the learned timesteps: the mean energy of the answers, each the start of the next, and
        how far the first are from the drawn ones where these are hardly noised."""
        text, source, energies = student.text_encoder(ids), latent, []
        timestep, stride = self.any_of(self.learned, len(latent)), self.any_of(self.strides, len(latent))
        for step in range(WALK):
            a = share_at(self.shares, timestep)
            x = noised_to(source, a)
            clean = clean_of(x, velocity_of(student, x, timestep, text), a)
            made, wanted = (F.conv2d(some, self.whitening) for some in (clean, latent))
            energies.append(self.patches(made, wanted))
            if step == 0:
                certain = (1 - (1 - a[:, 0]) / NOISY).clamp(min=0)
                near = (certain * differences(made, wanted)).mean()
            source, timestep = clean.detach(), (timestep - stride).clamp(min=ALL_TIMESTEPS[-1])
        return torch.stack(energies).mean(), near

    def leash(self, student, latent, ids):
        """Mean squared difference of velocities to what the model was, at timesteps that are not to change."""
        timestep = self.any_of(self.held, len(latent))
        x = noised_to(latent, share_at(self.shares, timestep))
        with torch.no_grad():
            wanted = velocity_of(self.origin, x, self.same[timestep], self.origin.text_encoder(ids))
        return F.mse_loss(velocity_of(student, x, timestep, student.text_encoder(ids)), wanted)

    def patches(self, made, wanted):
        """Sum of the SIZES' energies of whitened latents, windows laid anew."""
        corner = torch.randint(WINDOW, (2,), device=made.device)
        return sum(patch_energy(made, wanted, size, corner) for size in SIZES)

    @staticmethod
    def any_of(values, count):
        return values[torch.randint(len(values), (count,), device=values.device)]


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=600, batch_size=8, learning_rate=1.5e-4)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--held-to", help="weights that the leash holds to (default: those to start from)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student = load_sharpened(data, arguments.student)
    held_to = arguments.held_to or arguments.student
    before, coarse, fine = (signal_shares(betas).to(arguments.device)
                            for betas in (betas_of(arguments.student), betas_of(held_to), FINE_BETAS))  # fmt: skip
    if betas_of(arguments.student) != FINE_BETAS:
        retime(student.denoiser.time, matching_timesteps(fine, before))
    torch.manual_seed(arguments.seed)  # a run that goes on has the same whitening
    whitening = whitening_of(data.latents(data.choose(WHITENED_ON)))
    work = Sharpening(load_sharpened(data, held_to), whitening, coarse, fine)
    compile_on_gpu(*student.children(), *work.origin.children())
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20)  # fmt: skip
    run.resume(arguments.seed)
    step = run.stepper(lambda: work.losses(student, *data.batch(arguments.batch_size)), arguments.batch_size, every=20)
    for _ in run.rest():
        step()

    finish(run, data, SAMPLING, FINE_BETAS)


if __name__ == "__main__":
    main()
