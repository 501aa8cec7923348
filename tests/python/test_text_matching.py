"""The text model learns to draw what its teacher would draw."""

import copy

import pytest
import torch

import captioned_latents
import match_text_model
import sampling
import train_text_model

SHAPE = (4, 8, 8)
CLEAN = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(7))


class Sure(torch.nn.Module):
    """A text model that is sure of one clean latent, which it can learn, whatever it is told."""

    def __init__(self, clean):
        super().__init__()
        self.clean, self.bias = torch.nn.Parameter(clean.clone()), torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("shares", captioned_latents.signal_shares())

    def text_encoder(self, ids):
        return ids

    def denoiser(self, x, timestep, text):
        a = train_text_model.share_at(self.shares, timestep.long())
        return (a.sqrt() * x - self.clean - self.bias) / (1 - a).sqrt()


def matching(teacher):
    null = torch.zeros(1, 48, dtype=torch.long)
    return match_text_model.Matching(teacher, null, captioned_latents.signal_shares(), guidance=3.0, follower_steps=2)


def start(count):
    return torch.randn(count, *SHAPE), torch.zeros(count, 48, dtype=torch.long)


def test_the_direction_leads_from_what_the_follower_sees_to_what_the_teacher_sees():
    torch.manual_seed(0)
    work = matching(Sure(CLEAN))
    drawn, ids = start(3)
    assert work.direction(drawn, ids).abs().max() < 1e-3  # the follower begins as the teacher
    with torch.no_grad():
        work.follower.clean += 0.25
    wanted = -0.25 / (drawn - CLEAN).abs().mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(work.direction(drawn, ids), wanted.expand_as(drawn), rtol=1e-2, atol=1e-2)


@torch.enable_grad()
def test_the_follower_learns_what_is_drawn_and_leaves_the_teacher_alone():
    torch.manual_seed(0)
    teacher = Sure(CLEAN)
    work, drawn = matching(teacher), CLEAN + 0.1
    for _ in range(400):
        work.follow(drawn.expand(16, -1, -1, -1), start(16)[1])
    assert (work.follower.clean + work.follower.bias - drawn).abs().mean() < 0.03
    assert torch.equal(teacher.clean, CLEAN)


@torch.enable_grad()
@pytest.mark.parametrize("steps", sampling.STEP_COUNTS)
def test_each_sample_learns_at_one_timestep_of_its_walk(steps):
    torch.manual_seed(0)
    seen = []

    class Student(Sure):
        def denoiser(self, x, timestep, text):
            seen.append((timestep, torch.is_grad_enabled()))
            return super().denoiser(x, timestep, text)

    drawn = matching(Sure(CLEAN)).draw(Student(CLEAN), *start(64), steps)
    learned = [timestep for timestep, with_gradient in seen if with_gradient]
    assert len(learned) == 1 and set(learned[0].tolist()) == set(sampling.lcm_timesteps(steps))
    assert drawn.requires_grad


@torch.enable_grad()
def test_the_student_comes_to_draw_what_the_teacher_draws():
    torch.manual_seed(0)
    work, student = matching(Sure(CLEAN)), Sure(CLEAN + 0.5)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.005)
    for _ in range(120):
        loss, parts = work.losses(student, *start(8), 4)
        assert set(parts) == {"follower's"}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (student.clean + student.bias - CLEAN).abs().mean() < 0.2


def test_a_matching_goes_on_from_a_checkpoint():
    work = matching(Sure(CLEAN))
    with torch.no_grad():
        work.follower.clean += 1
    other = matching(Sure(CLEAN))
    other.load_state_dict(copy.deepcopy(work.state_dict()))
    assert torch.equal(other.follower.clean, work.follower.clean)
