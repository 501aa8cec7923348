"""The text model learns to generate in a few steps what its teacher would generate."""

import diffusers
import pytest
import torch

import captioned_latents
import distill_text_model
import match_text_model
import muon
import sampling
import training

SHAPE = (4, 8, 8)
CLEAN = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(7))


class Sure(torch.nn.Module):
    """A text model that always predicts one learnable clean latent."""

    def __init__(self, clean):
        super().__init__()
        self.clean, self.bias = torch.nn.Parameter(clean.clone()), torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("shares", captioned_latents.signal_shares())

    def text_encoder(self, ids):
        return ids

    def denoiser(self, x, timestep, text):
        a = sampling.share_at(self.shares, timestep.long())
        return (a.sqrt() * x - self.clean - self.bias) / (1 - a).sqrt()


def test_segments_start_and_end_at_the_samplers_timesteps():
    scheduler = diffusers.LCMScheduler()
    scheduler.set_timesteps(len(sampling.LCM_STEPS))
    assert scheduler.timesteps.tolist() == list(sampling.LCM_STEPS)
    torch.manual_seed(0)
    start, end = distill_text_model.draw_segments(4000, 1600, torch.tensor(distill_text_model.POINTS))
    assert (start > end).all() and set(end.tolist()) == {*sampling.LCM_STEPS[1:], distill_text_model.END}
    exact = sum((start == step).sum().item() for step in sampling.LCM_STEPS) / 4000
    assert exact == pytest.approx(1 - distill_text_model.OTHER_TIMESTEPS, abs=0.03)
    assert (end[2400:] == distill_text_model.END).all() and (end[:2400] != distill_text_model.END).all()
    following = dict(zip(distill_text_model.POINTS, distill_text_model.POINTS[1:]))
    assert all(following[s] == e for s, e in zip(start.tolist(), end.tolist()) if s in following)


def test_distillation_targets_are_the_teachers_images():
    torch.manual_seed(0)
    shares = captioned_latents.signal_shares()
    clean, teacher = CLEAN, Sure(CLEAN)
    null = torch.zeros(1, 48, dtype=torch.long)
    work = distill_text_model.Distillation(teacher, null, shares, guidance=3.0, substeps=3, last_share=0.5)
    start, end = torch.tensor([999, 700, 499, 300]), torch.tensor([759, 499, 259, 259])
    a = sampling.share_at(shares, start)
    noise = torch.randn(4, 4, 8, 8)
    x = a.sqrt() * clean + (1 - a).sqrt() * noise
    ids = torch.zeros(4, 48, dtype=torch.long)
    torch.testing.assert_close(work.targets(x, start, end, ids), clean.expand(4, -1, -1, -1), atol=2e-4, rtol=0)
    b = sampling.share_at(shares, end)  # DDIM keeps the noise that this teacher infers
    end_state = distill_text_model.teacher_rollout(teacher, x, start, end, ids, ids, shares, 3.0, 3)
    torch.testing.assert_close(end_state, b.sqrt() * clean + (1 - b).sqrt() * noise, atol=1e-3, rtol=0)
    # The target of the last segment is the drawn latent, which this student always predicts.
    student = Sure(clean)
    assert work.loss(student, clean.expand(32, -1, -1, -1), ids[:1].expand(32, -1)).item() < 1e-6


def matching(teacher):
    null = torch.zeros(1, 48, dtype=torch.long)
    return match_text_model.Matching(teacher, null, captioned_latents.signal_shares(), guidance=3.0, follower_steps=2)


def start(count):
    return torch.randn(count, *SHAPE), torch.zeros(count, 48, dtype=torch.long)


def test_the_direction_points_from_the_followers_prediction_to_the_teachers():
    torch.manual_seed(0)
    work = matching(Sure(CLEAN))
    drawn, ids = start(3)
    assert work.direction(drawn, ids).abs().max() < 1e-3  # the follower starts as the teacher
    with torch.no_grad():
        work.follower.clean += 0.25
    wanted = -0.25 / (drawn - CLEAN).abs().mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(work.direction(drawn, ids), wanted.expand_as(drawn), rtol=1e-2, atol=1e-2)


@torch.enable_grad()
def test_the_follower_learns_the_generated_images_and_the_teacher_stays():
    torch.manual_seed(0)
    teacher = Sure(CLEAN)
    work, drawn = matching(teacher), CLEAN + 0.1
    for _ in range(400):
        work.follow(drawn.expand(16, -1, -1, -1), start(16)[1])
    assert (work.follower.clean + work.follower.bias - drawn).abs().mean() < 0.03
    assert torch.equal(teacher.clean, CLEAN)


class FirstToken(torch.nn.Module):
    """A text model whose velocity is the first token of its text."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def text_encoder(self, ids):
        return ids.float()

    def denoiser(self, x, timestep, text):
        return text[:, :1, None, None].expand_as(x) + self.bias


def test_guidance_extrapolates_from_the_unconditional_prediction():
    x, ids = torch.zeros(2, *SHAPE), torch.full((2, 48), 5)
    timestep, null = torch.tensor([900, 100]), torch.ones(2, 48)
    velocity = sampling.guided_velocity(FirstToken(), x, timestep, ids.float(), null, 3.0)
    assert torch.equal(velocity, torch.full_like(x, 1 + 3 * 4))
    work = match_text_model.Matching(FirstToken(), null[:1].long(), captioned_latents.signal_shares(), 3.0, 1)
    drawn = torch.randn(2, *SHAPE)
    direction = work.direction(drawn, ids)  # the guided velocity is 8 above the follower's, so the clean latent is below
    assert (direction < 0).all()
    assert direction.flatten(1).std(1).max() < 1e-3


@torch.enable_grad()
@pytest.mark.parametrize("steps", sampling.STEP_COUNTS)
def test_each_sample_has_gradients_at_one_timestep_of_its_rollout(steps):
    torch.manual_seed(0)
    seen = []

    class Student(Sure):
        def denoiser(self, x, timestep, text):
            seen.append((x, timestep, torch.is_grad_enabled()))
            return super().denoiser(x, timestep, text)

    timesteps = list(sampling.lcm_timesteps(steps))
    drawn = matching(Sure(CLEAN)).draw(Student(CLEAN), *start(64), steps)
    states = {int(timestep[0]): x for x, timestep, with_gradient in seen if not with_gradient}
    ((x, learned, _),) = [one for one in seen if one[2]]
    assert list(states) == timesteps[:-1] and set(learned.tolist()) == set(timesteps) and drawn.requires_grad
    for i, timestep in enumerate(learned.long().tolist()):
        if timestep in states:
            assert torch.equal(x[i], states[timestep][i])
    last = x[learned.long() == timesteps[-1]]  # the clean latent with the right amount of noise
    a = captioned_latents.signal_shares()[timesteps[-1]]
    assert ((last - a.sqrt() * CLEAN) / (1 - a).sqrt()).std() == pytest.approx(1, abs=0.1)


@torch.enable_grad()
def test_the_student_learns_the_teachers_images():
    torch.manual_seed(0)
    work, student = matching(Sure(CLEAN)), Sure(CLEAN + 0.5)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.005)
    for _ in range(120):
        loss, parts = work.losses(student, *start(8), 4)
        assert set(parts) == {"follower"}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (student.clean + student.bias - CLEAN).abs().mean() < 0.2


@torch.enable_grad()
def test_matching_resumes_from_a_checkpoint(tmp_path):
    def run_of(work):
        student = Sure(CLEAN + 0.5)
        return training.Run(tmp_path, student, muon.MuonAdamW(student), training.Average(student, 0.9), 9, 0.01,
                            beside={"matching": work})  # fmt: skip

    def goes_on(work):
        torch.manual_seed(1)
        return work.follow(drawn, ids)

    torch.manual_seed(0)
    work, (drawn, ids) = matching(Sure(CLEAN)), start(4)
    for _ in range(3):
        work.follow(drawn, ids)
    run_of(work).save()
    other = matching(Sure(CLEAN))
    run_of(other).resume()
    assert torch.equal(goes_on(work), goes_on(other))
    assert torch.equal(work.follower.clean, other.follower.clean)
