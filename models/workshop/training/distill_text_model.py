"""Distills the text model into one that needs only a few steps.

  distill_text_model.py LATENTS_FOLDER RUN_FOLDER --teacher text_model.safetensors [--steps N] [--guidance W]

Consistency distillation (Luo et al. 2023, arXiv 2310.04378) over the segments between the sampler's timesteps (trajectories
are split as by Kim et al. 2024 and Zheng et al. 2024): from a noised latent, the teacher takes DDIM steps with guidance W to
the sampler's next timestep, where the averaged student predicts the clean latent; the student learns to predict that directly.
At the last timestep, whose prediction is the image, the target is the drawn latent itself: the posterior mean is smooth there,
whereas the teacher's last steps leave grain. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy

import torch
from captioned_latents import CaptionedLatents, noised_to, signal_shares
from muon import MuonAdamW
from sampling import LCM_STEPS, SAMPLING, clean_of, ddim_step, guided_velocity, share_at, velocity_of
from text_networks import OUTER_LAYERS
from torch.nn import functional as F
from train_text_model import finish, load_for, training_parser
from training import Average, Run, compile_on_gpu

END = -1  # stands for the clean latent
POINTS = (*LCM_STEPS, END)
OTHER_TIMESTEPS = 0.2  # share of samples that start between the sampler's timesteps
DROPPED_CAPTIONS = 0.05


def draw_segments(count, last, points):
    """Start timesteps (count,) and the sampler's next timestep after each, which is END for the last `last` of them.
    `points`: POINTS as a tensor."""
    device = points.device
    place = torch.randint(0, len(points) - 2, (count,), device=device)
    place[count - last :] = len(points) - 2
    start, end = points[place], points[place + 1]
    between = end + 1 + (torch.rand(count, device=device) * (start - end)).long()
    return torch.where(torch.rand(count, device=device) < OTHER_TIMESTEPS, between, start), end


@torch.no_grad()
def teacher_rollout(teacher, x, start, end, text, null, shares, guidance, substeps):
    """The teacher's DDIM steps from x at timestep `start` to timestep `end`."""
    now = start
    for i in range(1, substeps + 1):
        following = end if i == substeps else start + (end - start) * i // substeps
        a, b = share_at(shares, now), share_at(shares, following)
        x = ddim_step(x, guided_velocity(teacher, x, now, text, null, guidance), a, b)
        now = following
    return x


class Distillation:
    def __init__(self, teacher, null, shares, guidance, substeps, last_share):
        self.target = copy.deepcopy(teacher)  # holds the averaged student
        self.teacher, self.null, self.shares = teacher.requires_grad_(False), null, shares
        self.guidance, self.substeps, self.last_share = guidance, substeps, last_share
        self.points = torch.tensor(POINTS, device=shares.device)

    @torch.no_grad()
    def targets(self, x, start, end, ids):
        """The student's targets at x and `start`, for segments that do not end at END."""
        null = self.null.expand(len(ids), -1)
        text = self.teacher.text_encoder(torch.cat([ids, null])).chunk(2)
        x = teacher_rollout(self.teacher, x, start, end, *text, self.shares, self.guidance, self.substeps)
        velocity = velocity_of(self.target, x, end, self.target.text_encoder(ids))
        return clean_of(x, velocity, share_at(self.shares, end))

    def loss(self, student, latent, ids):
        last = round(len(latent) * self.last_share)  # a constant number: each batch size is compiled separately
        inner = len(latent) - last
        start, end = draw_segments(len(latent), last, self.points)
        a = share_at(self.shares, start)
        x = noised_to(latent, a)
        clean = clean_of(x, velocity_of(student, x, start, student.text_encoder(ids)), a)
        target = latent.clone()
        if inner > 0:
            target[:inner] = self.targets(x[:inner], start[:inner], end[:inner], ids[:inner])
        return F.mse_loss(clean, target)


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=2000, batch_size=64, learning_rate=5e-4)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--substeps", type=int, default=2, help="teacher steps per step of the sampler")
    parser.add_argument("--last-share", type=float, default=0.4, help="share of samples at the sampler's last timestep")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, DROPPED_CAPTIONS, arguments.device)
    teacher = load_for(data, arguments.teacher)
    student = copy.deepcopy(teacher)
    shares = signal_shares().to(arguments.device)
    work = Distillation(teacher, data.null, shares, arguments.guidance, arguments.substeps,
                        arguments.last_share)  # fmt: skip
    compile_on_gpu(*student.children(), *work.teacher.children(), *work.target.children())
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.98), arguments.steps,
              arguments.lr, arguments.minutes)  # fmt: skip
    run.resume(arguments.seed)

    def batch_loss():
        work.target.load_state_dict(run.average.weights)
        return work.loss(student, *data.batch(arguments.batch_size)), {}

    step = run.stepper(batch_loss, arguments.batch_size, every=20)
    for _ in run.rest():
        step()

    finish(run, data, SAMPLING)


if __name__ == "__main__":
    main()
