"""Sharpens the images of the text model by matching the patch statistics of drawn images.

  sharpen_text_model.py LATENTS_FOLDER RUN_FOLDER --student text_model.safetensors --autoencoder AUTOENCODER_OR_BUNDLE
                        [--steps N]

Outlines and textures have small amplitudes in an f4 latent, far below the noise of the last timesteps of the model's schedule.
So the model is first moved to a finer schedule (FINE_BETAS), whose last timesteps have less noise than that; its behavior
carries over to the timesteps of equal noise (retime in text_networks.py).

Then it is trained at the timesteps where the image is still visible. Squared errors would teach the blurry posterior mean.
Instead, drawn latents are noised, the model takes the sampler's steps from there to the end, and the patches of each
prediction are compared with those of the drawn latent, window by window, as distributions (patch_energy in
latent_statistics.py): the noise decides where an outline lies, but it must look like a drawn one. Many rollouts are in
progress at once, and each training step advances some of them, so the model learns on its own previous predictions. The patch
energy of a window is insensitive to slightly weak outlines, and an outline of uncertain position costs less if it is weak.
Therefore the values of all predictions, and of their decoded pixels, are also compared with the drawn ones as sets
(marginal_distance): the distributions of values must match. If almost no noise is left, a prediction must be close to the
drawn latent. At all other timesteps a regularizer (the leash) keeps the model close to its origin.
Writes RUN_FOLDER/text_model.safetensors.
"""

import torch
from captioned_latents import FINE_BETAS, CaptionedLatents, betas_of, matching_timesteps, noised_to, signal_shares
from latent_statistics import WINDOW, differences, marginal_distance, patch_energy, whitening_of
from muon import MuonAdamW
from networks import load_autoencoder
from sampling import ORIGINAL_STEPS, SAMPLING, clean_of, lcm_timesteps, share_at, velocity_of
from text_networks import OUTER_LAYERS, retime
from torch import nn
from torch.nn import functional as F
from train_text_model import GROWS_EVERY, finish, load_sharpened, training_parser
from training import Average, Run, compile_on_gpu

SIZES = (1, 3)  # side of the patches in latent pixels
MARGINAL, PIXELS = 0.2, 1.5  # weights of the marginal distances of latents and of decoded pixels
DECODED = 32  # side of the decoded squares in latent pixels
LEASH = 0.1  # weight: with few latents its gradient is mostly noise, which at weight 5 drowned that of the patches
HELD_SHARE = 0.15  # share of a batch for the leash
SHOWS = 0.1  # minimum signal share for training: above it, windows of the prediction still match those of the drawn latent
STEPS_TAKEN = (25, 16, 16, 16, 12, 8, 6, 4)  # step counts of the rollouts' samplers, chosen uniformly
LATE_SHARE = 0.25  # share of rollouts that start at a random timestep instead of their first
UNDER_WAY = 8  # rollouts in progress per rollout that takes a step at once
NOISY = 0.15  # noise share from which a prediction need not be close to the drawn latent
WHITENED_ON = 256  # number of latents from which the whitening is computed


class Rollouts:
    """Drawn latents in progress through the last timesteps of a sampler, each continuing from its last prediction; `steppers`
    of them take a step at once. All shapes are constant, as replays require. A resumed run starts new rollouts."""

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
        """Indices of the rollouts that step next, their timesteps and their current latents."""
        chosen = torch.rand(len(self.drawn), device=self.drawn.device).topk(self.steppers).indices
        return chosen, self.paths[self.path[chosen], self.place[chosen]], self.source[chosen]

    def advance(self, chosen, answer):
        """Continues from the predictions (B, C, h, w) of the chosen rollouts; finished ones are replaced by new rollouts."""
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
        """Random paths and start positions on them; a share `late` does not start at the first."""
        path = torch.randint(len(self.lengths), (count,), device=self.lengths.device)
        chance, share = torch.rand(2, count, device=path.device)
        return path, torch.where(chance < late, (share * self.lengths[path]).long(), 0)


class Sharpening:
    def __init__(self, origin, decoder, whitening, coarse, fine, rollouts):
        """`origin`: reference model of the leash, on the schedule with signal shares `coarse`; the student's are `fine`;
        `decoder`: decodes scaled latents; `whitening`: whitening_of drawn latents."""
        self.origin, self.whitening, self.shares, self.rollouts = origin.requires_grad_(False), whitening, fine, rollouts
        self.decoder = decoder
        self.same = matching_timesteps(fine, coarse)
        timesteps = lcm_timesteps(ORIGINAL_STEPS)
        self.held = torch.tensor([t for t in timesteps if fine[t] < SHOWS], device=fine.device)

    def losses(self, student, held):
        """The weighted sum and {name: loss}; `held` latents are for the leash. One student evaluation covers all of them: on a
        GPU it is compiled for one batch size."""
        chosen, timestep, source = self.rollouts.choose()
        latent, ids = self.rollouts.data.batch(held)
        timestep = torch.cat([timestep, self.held[torch.randint(len(self.held), (held,), device=latent.device)]])
        a = share_at(self.shares, timestep)
        x, ids = noised_to(torch.cat([source, latent]), a), torch.cat([self.rollouts.ids[chosen], ids])
        velocity = velocity_of(student, x, timestep, student.text_encoder(ids))
        stepped = slice(0, len(chosen))
        parts = self.judge(chosen, clean_of(x[stepped], velocity[stepped], a[stepped]), a[stepped])
        parts["leash"] = F.mse_loss(velocity[-held:], self.origins(x[-held:], timestep[-held:], ids[-held:]))
        return (parts["patches"] + MARGINAL * parts["marginal"] + PIXELS * parts["pixels"] + parts["near"]
                + LEASH * parts["leash"]), parts  # fmt: skip

    def judge(self, chosen, clean, a):
        """{name: loss} of the predictions of the chosen rollouts: patch energy, marginal distances of latents and pixels, and
        the distance to the drawn latents if almost no noise was added. Advances the rollouts."""
        drawn = self.rollouts.drawn[chosen]
        made, wanted = (F.conv2d(latent, self.whitening) for latent in (clean, drawn))
        certain = (1 - (1 - a[:, 0]) / NOISY).clamp(min=0) * self.rollouts.fresh[chosen, None, None]
        self.rollouts.advance(chosen, clean.detach())
        near = (certain * differences(made, wanted)).mean()
        return {"patches": self.patches(made, wanted), "marginal": marginal_distance(made, wanted),
                "pixels": marginal_distance(*self.decoded(clean, drawn)), "near": near}  # fmt: skip

    def decoded(self, clean, drawn):
        """The pixels of the same random square of both."""
        for dimension in (2, 3):
            first = torch.randint(clean.shape[dimension] - DECODED + 1, (), device=clean.device)
            inside = first + torch.arange(DECODED, device=clean.device)
            clean, drawn = (x.index_select(dimension, inside) for x in (clean, drawn))
        with torch.no_grad():
            wanted = self.decoder(drawn)
        return self.decoder(clean), wanted

    @torch.no_grad()
    def origins(self, x, timestep, ids):
        """Velocities of the original model."""
        return velocity_of(self.origin, x, self.same[timestep], self.origin.text_encoder(ids))

    def patches(self, made, wanted):
        """Sum of the patch energies of whitened latents for patches of SIZES, and for the last size also at half resolution,
        with randomly placed windows."""
        corner = torch.randint(WINDOW, (2,), device=made.device)
        halves = (F.avg_pool2d(latent, 2) for latent in (made, wanted))
        return sum(patch_energy(made, wanted, size, corner) for size in SIZES) + patch_energy(*halves, SIZES[-1], corner)


def scaled_decoder(autoencoder, data):
    """Returns a function from scaled latents to pixels, on the device of `data`."""
    model, mean, deviation = load_autoencoder(autoencoder)
    decoder = model.eval().requires_grad_(False).decoder.to(data.device)
    return lambda latent: decoder(latent * deviation + mean)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=700, batch_size=21, learning_rate=8e-5)
    parser.add_argument("--student", required=True, help="initial weights")
    parser.add_argument("--autoencoder", required=True, help="bundle, or file of train_autoencoder.py")
    parser.add_argument("--held-to", help="reference weights of the leash (default: the initial weights)")
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
    torch.manual_seed(arguments.seed)  # the same whitening in a resumed run
    whitening = whitening_of(data.latents(data.choose(WHITENED_ON)))
    held = max(round(arguments.batch_size * HELD_SHARE), 1)
    rollouts = Rollouts(data, fine, arguments.batch_size - held)
    decoder = scaled_decoder(arguments.autoencoder, data)
    work = Sharpening(load_sharpened(data, held_to), decoder, whitening, coarse, fine, rollouts)
    compile_on_gpu(*student.children(), *work.origin.children())
    torch.set_float32_matmul_precision("highest")  # for distances of nearly equal patches
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
