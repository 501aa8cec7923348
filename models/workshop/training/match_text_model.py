"""Matches what the distilled text model draws to what its teacher would draw.

  match_text_model.py LATENTS_FOLDER RUN_FOLDER --teacher text_model.safetensors --student text_model.safetensors
                      [--guidance W] [--steps N]

A consistency model's answer is the mean of what is still possible: soft. Here (distribution matching distillation, Yin et al.
2024, arXiv 2311.18828 and 2405.14867) the student draws captions by the LCM sampler's steps, and its images are noised anew
and shown to two models: the teacher, guided by W, says what clean latent it sees there, and so does a copy of the teacher
that meanwhile learns the student's images. The difference of the two is how the logarithm of the two distributions' ratio
changes with the image, and the student follows it. One step of the walk learns at a time, where the student's own steps
have led. Writes RUN_FOLDER/text_model.safetensors.
"""

import copy

import torch
from captioned_latents import CaptionedLatents, noised_to, signal_shares
from muon import MuonAdamW
from replay import Replay
from sampling import (
    SAMPLING, STEP_COUNTS, clean_of, guided_velocity, lcm_timesteps, share_at, velocity_of, walk,
)  # fmt: skip
from text_networks import OUTER_LAYERS
from torch.nn import functional as F
from train_text_model import finish, load_for, loss_of, training_parser
from training import Average, Run, compile_on_gpu, descend

NOISED = (20, 980)  # timesteps at which the two models look at the images
FOLLOWER_RATE = 5e-4  # learning rate of the model that learns the student's images


class Matching:
    def __init__(self, teacher, null, shares, guidance, follower_steps):
        self.teacher, self.null, self.shares = teacher.requires_grad_(False), null, shares
        self.guidance, self.follower_steps = guidance, follower_steps
        self.follower = copy.deepcopy(teacher).requires_grad_(True)
        self.optimizer = MuonAdamW(self.follower, OUTER_LAYERS, lr=FOLLOWER_RATE)
        self.timesteps = {n: torch.tensor(lcm_timesteps(n), device=shares.device) for n in STEP_COUNTS}

    def draw(self, student, noise, ids, steps):
        """Clean latents that the student sees at one of its walk's timesteps, another for every sample; gradients go through
        this one evaluation."""
        text = student.text_encoder(ids)
        with torch.no_grad():
            timesteps = lcm_timesteps(steps)
            walked = walk(student, noise, text, self.shares, timesteps[:-1])
            last = noised_to(walked[-1][2], self.shares[timesteps[-1]])
        walked = torch.stack([*(x for _, x, _ in walked), last])
        place = torch.randint(steps, (len(noise),), device=noise.device)
        x, timestep = walked[place, torch.arange(len(noise), device=noise.device)], self.timesteps[steps][place]
        return clean_of(x, velocity_of(student, x, timestep, text), share_at(self.shares, timestep))

    def follow(self, drawn, ids):
        """The follower learns latents that the student drew; its loss."""
        for _ in range(self.follower_steps):
            loss = loss_of(self.follower, drawn, ids, self.shares)
            descend(self.optimizer, self.follower, loss)
        return loss.detach()

    @torch.no_grad()
    def direction(self, drawn, ids):
        """How to change them to be more like the teacher's: of about unit size in the mean of each image."""
        timestep = torch.randint(*NOISED, (len(drawn),), device=drawn.device)
        a = share_at(self.shares, timestep)
        x = noised_to(drawn, a)
        text, null = self.teacher.text_encoder(torch.cat([ids, self.null.expand(len(ids), -1)])).chunk(2)
        wanted = clean_of(x, guided_velocity(self.teacher, x, timestep, text, null, self.guidance), a)
        own = clean_of(x, velocity_of(self.follower, x, timestep, self.follower.text_encoder(ids)), a)
        return (wanted - own) / (drawn - wanted).abs().mean((1, 2, 3), keepdim=True)

    def losses(self, student, noise, ids, steps):
        """A loss whose gradient is the direction, and the follower's, which learns meanwhile."""
        drawn = self.draw(student, noise, ids, steps)
        of_follower = self.follow(drawn.detach(), ids)
        return F.mse_loss(drawn, drawn.detach() + self.direction(drawn.detach(), ids)), {"follower's": of_follower}

    def state_dict(self):
        return {"follower": self.follower.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.follower.load_state_dict(state["follower"])
        self.optimizer.load_state_dict(state["optimizer"])


def main():
    parser = training_parser(__doc__.splitlines()[0], steps=2000, batch_size=64, learning_rate=2e-4)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--student", required=True, help="weights to start from")
    parser.add_argument("--guidance", type=float, default=3.0, help="of the teacher")
    parser.add_argument("--follower-steps", type=int, default=3, help="for each step of the student")
    parser.add_argument("--ahead", type=int, default=60, help="batches that the follower learns before the student does")
    arguments = parser.parse_args()
    if arguments.follower_steps < 1:
        parser.error("--follower-steps: at least 1, else nothing tells where the student's images lie")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = CaptionedLatents(arguments.latents, 0, arguments.device)
    student, shares = load_for(data, arguments.student), signal_shares().to(arguments.device)
    work = Matching(load_for(data, arguments.teacher), data.null, shares, arguments.guidance, arguments.follower_steps)
    compile_on_gpu(*student.children(), *work.teacher.children(), *work.follower.children())
    run = Run(arguments.folder, student, MuonAdamW(student, OUTER_LAYERS), Average(student, 0.99), arguments.steps,
              arguments.lr, arguments.minutes, beside={"matching": work})  # fmt: skip
    run.resume(arguments.seed)

    def start():
        """Noise, and captions of the drawn landscapes."""
        ids = data.ids[data.choose(arguments.batch_size)]
        return torch.randn((len(ids), *data.mapped.shape[1:]), device=data.device), ids

    def follow():
        noise, ids = start()
        with torch.no_grad():
            drawn = work.draw(student, noise, ids, STEP_COUNTS[-1])
        return work.follow(drawn, ids)

    if run.step == 0:
        ahead = Replay(follow, data.device)
        for _ in range(arguments.ahead):
            ahead()
        del ahead  # its graph keeps memory
    steppers = [run.stepper(lambda n=n: work.losses(student, *start(), n), arguments.batch_size, every=20) for n in STEP_COUNTS]
    for step in run.rest():
        steppers[step % len(steppers)]()

    finish(run, data, SAMPLING)


if __name__ == "__main__":
    main()
