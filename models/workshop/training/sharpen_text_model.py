"""Sharpens what the text model draws, by what the patches of drawn images look like.

  sharpen_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --autoencoder AUTOENCODER_OR_BUNDLE
                        [--steps N]

Outlines and textures are small numbers in an f4 latent, far below the noise of the last timesteps that the model was trained
on. So it is moved to a finer schedule first (FINE_BETAS), whose last timesteps leave less noise than they are large; what it
knew it knows there too, at the timesteps with as much noise (retime in text_networks.py).

Then it learns the timesteps that still show the image. Squared errors would answer with the mean of all that fits, which
is soft. Here drawn latents are noised, the model takes the sampler's steps from there to the last one, and the patches of
each answer are compared with those of the drawn latent, place by place, as distributions (patch_energy in
latent_statistics.py): which outline is chosen is left to the noise, but it must look like a drawn one. So many walks are
under way at once, and each training step takes a step of some: what the model has made of a latent is what it learns on next.
A window's energy hardly misses a part of an outline's strength, and where its place is unsure, a weaker one costs less. So the
numbers of all answers, and those of the pixels that they decode to, are also compared with the drawn ones as a crowd
(crowd_distance): as many must be as large. Where hardly any noise is left, an answer to the drawn latent must be near it.
At the other timesteps a leash holds the model to what it was. Writes RUN_FOLDER/text_model.safetensors.
"""

import torch
from captioned_latents import FINE_BETAS, CaptionedLatents, betas_of, matching_timesteps, noised_to, signal_shares
from latent_statistics import WINDOW, crowd_distance, differences, patch_energy, whitening_of
from muon import MuonAdamW
from networks import load_autoencoder
from sampling import ORIGINAL_STEPS, SAMPLING, clean_of, lcm_timesteps, share_at, velocity_of
from text_networks import OUTER_LAYERS, retime
from torch import nn
from torch.nn import functional as F
from train_text_model import GROWS_EVERY, finish, load_sharpened, training_parser
from training import Average, Run, compile_on_gpu

SIZES = (1, 3)  # latents a side of the patches
CROWD, PIXELS = 0.2, 1.5  # weights of how far latents and decoded pixels are, as a crowd, from drawn ones
DECODED = 32  # latents a side of the squares that are decoded
LEASH = 0.1  # weight: of a few latents its gradient is mostly chance, which at 5 drowned that of the patches
HELD_SHARE = 0.15  # of a batch is for the leash
SHOWS = 0.1  # of the signal, at least: the windows of what is made of it still hold what the drawn ones do
STEPS_TAKEN = (25, 16, 16, 16, 12, 8, 6, 4)  # of the samplers that walks follow, each as likely
LATE_SHARE = 0.25  # of the walks begin at any of their timesteps, not at the first
UNDER_WAY = 8  # times as many walks as take a step at once
NOISY = 0.15  # of noise, and more: the answer need not be near the drawn latent
WHITENED_ON = 256  # latents


class Walks:
    """Drawn latents on their way through the last timesteps of some sampler, each from its last answer; `steppers` of them
    take a step at once. All shapes stay the same, as replays want it. A run that goes on begins new ones."""

    def __init__(self, data, shares, steppers):
        self.data, self.steppers, device = data, steppers, shares.device
        paths = [[t for t in lcm_timesteps(steps) if shares[t] >= SHOWS] for steps in STEPS_TAKEN]
        self.lengths = torch.tensor([len(path) for path in paths], device=device)
        self.paths = nn.utils.rnn.pad_sequence([torch.tensor(path, device=device) for path in paths], batch_first=True)
        self.drawn, self.ids = data.batch(UNDER_WAY * steppers)
        self.source = self.drawn.clone()
        self.path, self.place = self.beginnings(len(self.drawn), late=1)
        self.fresh = torch.ones(len(self.drawn), dtype=torch.bool, device=device)

    def choose(self):
        """Numbers of the walks whose turn it is, their timesteps and what they come from."""
        chosen = torch.rand(len(self.drawn), device=self.drawn.device).topk(self.steppers).indices
        return chosen, self.paths[self.path[chosen], self.place[chosen]], self.source[chosen]

    def go_on(self, chosen, answer):
        """From the answers (B, C, h, w) of the chosen; where these were the last, other walks begin."""
        path, place = self.path[chosen], self.place[chosen] + 1
        over = place == self.lengths[path]
        drawn, ids = self.data.batch(self.steppers)
        new_path, new_place = self.beginnings(self.steppers)
        whole = over[:, None, None, None]
        self.source[chosen] = torch.where(whole, drawn, answer)
        self.drawn[chosen] = torch.where(whole, drawn, self.drawn[chosen])
        self.ids[chosen] = torch.where(over[:, None], ids, self.ids[chosen])
        self.path[chosen], self.place[chosen] = torch.where(over, new_path, path), torch.where(over, new_place, place)
        self.fresh[chosen] = over

    def beginnings(self, count, late=LATE_SHARE):
        """Paths and places on them, a share of which are not the first."""
        path = torch.randint(len(self.lengths), (count,), device=self.lengths.device)
        chance, share = torch.rand(2, count, device=path.device)
        return path, torch.where(chance < late, (share * self.lengths[path]).long(), 0)


class Sharpening:
    def __init__(self, origin, decoder, whitening, coarse, fine, walks):
        """`origin`: what the leash holds to, of the schedule with the signal's shares `coarse`; the student's has `fine`;
        `decoder`: of scaled latents; `whitening`: whitening_of drawn latents."""
        self.origin, self.whitening, self.shares, self.walks = origin.requires_grad_(False), whitening, fine, walks
        self.decoder = decoder
        self.same = matching_timesteps(fine, coarse)
        timesteps = lcm_timesteps(ORIGINAL_STEPS)
        self.held = torch.tensor([t for t in timesteps if fine[t] < SHOWS], device=fine.device)

    def losses(self, student, held):
        """Their sum and {name: loss}; `held` latents are for the leash. The student answers once for all of them: on a GPU it
        is compiled for one size."""
        chosen, timestep, source = self.walks.choose()
        latent, ids = self.walks.data.batch(held)
        timestep = torch.cat([timestep, self.held[torch.randint(len(self.held), (held,), device=latent.device)]])
        a = share_at(self.shares, timestep)
        x, ids = noised_to(torch.cat([source, latent]), a), torch.cat([self.walks.ids[chosen], ids])
        velocity = velocity_of(student, x, timestep, student.text_encoder(ids))
        walked = slice(0, len(chosen))
        parts = self.judge(chosen, clean_of(x[walked], velocity[walked], a[walked]), a[walked])
        parts["leash"] = F.mse_loss(velocity[-held:], self.origins(x[-held:], timestep[-held:], ids[-held:]))
        return (parts["patches"] + CROWD * parts["crowd"] + PIXELS * parts["pixels"] + parts["near"]
                + LEASH * parts["leash"]), parts  # fmt: skip

    def judge(self, chosen, clean, a):
        """{name: loss} of the answers of the chosen walks: the mean energy of their patches, how far they are as a crowd from
        the drawn latents, and how far those were left by answers to them with hardly any noise; the walks go on from these
        answers."""
        drawn = self.walks.drawn[chosen]
        made, wanted = (F.conv2d(latent, self.whitening) for latent in (clean, drawn))
        certain = (1 - (1 - a[:, 0]) / NOISY).clamp(min=0) * self.walks.fresh[chosen, None, None]
        self.walks.go_on(chosen, clean.detach())
        near = (certain * differences(made, wanted)).mean()
        return {"patches": self.patches(made, wanted), "crowd": crowd_distance(made, wanted),
                "pixels": crowd_distance(*self.decoded(clean, drawn)), "near": near}  # fmt: skip

    def decoded(self, clean, drawn):
        """Pixels of the same squares of both, anywhere."""
        for dimension in (2, 3):
            first = torch.randint(clean.shape[dimension] - DECODED + 1, (), device=clean.device)
            inside = first + torch.arange(DECODED, device=clean.device)
            clean, drawn = (x.index_select(dimension, inside) for x in (clean, drawn))
        with torch.no_grad():
            wanted = self.decoder(drawn)
        return self.decoder(clean), wanted

    @torch.no_grad()
    def origins(self, x, timestep, ids):
        """Velocities of what the model was."""
        return velocity_of(self.origin, x, self.same[timestep], self.origin.text_encoder(ids))

    def patches(self, made, wanted):
        """Sum of the energies of whitened latents' patches of SIZES, and of the last of these in latents half as large; windows
        laid anew."""
        corner = torch.randint(WINDOW, (2,), device=made.device)
        halves = (F.avg_pool2d(latent, 2) for latent in (made, wanted))
        return sum(patch_energy(made, wanted, size, corner) for size in SIZES) + patch_energy(*halves, SIZES[-1], corner)


def scaled_decoder(autoencoder, data):
    """A function from scaled latents to pixels, on the device of `data`."""
    model, mean, deviation = load_autoencoder(autoencoder)
    decoder = model.eval().requires_grad_(False).decoder.to(data.device)
    return lambda latent: decoder(latent * deviation + mean)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=700, batch_size=21, learning_rate=8e-5)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--autoencoder", required=True, help="a bundle, or a file of train_autoencoder.py")
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
    held = max(round(arguments.batch_size * HELD_SHARE), 1)
    walks = Walks(data, fine, arguments.batch_size - held)
    decoder = scaled_decoder(arguments.autoencoder, data)
    work = Sharpening(load_sharpened(data, held_to), decoder, whitening, coarse, fine, walks)
    compile_on_gpu(*student.children(), *work.origin.children())
    torch.set_float32_matmul_precision("highest")  # distances of patches that are nearly alike
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes, warmup=20)  # fmt: skip
    run.resume(arguments.seed)
    step = run.stepper(lambda: work.losses(student, held), arguments.batch_size, every=20)
    for _ in run.rest():
        if run.step % GROWS_EVERY == 0:
            data.grow()
        step()

    finish(run, data, SAMPLING, FINE_BETAS)


if __name__ == "__main__":
    main()
