"""The sharpening of the text model: the distance of patches, and what learns of it."""

import copy

import pytest
import torch
from torch.nn import functional as F

import captioned_latents
import latent_statistics
import sampling
import sharpen_text_model
from latent_statistics import WINDOW, patch_energy, whitening_of

CORNER = torch.tensor([3, 5])


def patches_one_by_one(latent, size, top, left):
    """Of one window of a latent (C, h, w), zeros around it."""
    reach = size // 2
    padded = F.pad(latent, (reach,) * 4)
    places = [(y, x) for y in range(top, top + WINDOW) for x in range(left, left + WINDOW)]
    return [padded[:, y : y + size, x : x + size].flatten() for y, x in places]


def mean_distance(one, other, same=False):
    """Of pairs of two lists; where they are the same list, of pairs of different places."""
    pairs = [(a, b) for i, a in enumerate(one) for j, b in enumerate(other) if not (same and i == j)]
    return torch.stack([((a - b).square().mean() + 1e-5).sqrt() for a, b in pairs]).mean()


@pytest.mark.parametrize("size", [1, 3])
def test_the_energy_of_patches_is_that_of_its_formula(size):
    torch.manual_seed(0)
    made, drawn = torch.randn(2, 2, 3, 24, 16, dtype=torch.float64)
    energies = []
    for one, other in zip(made, drawn, strict=True):
        for top in (3, 11):  # there is room for two windows and one
            x, z = (patches_one_by_one(latent, size, top, 5) for latent in (one, other))
            among = mean_distance(x, x, same=True) + mean_distance(z, z, same=True)
            energies.append(mean_distance(x, z) - among / 2)
    found = patch_energy(made, drawn, size, CORNER)
    diagonal = 2 * (1e-5**0.5) / (WINDOW**2 - 1) / 2  # of a patch to itself, which the formula leaves out
    torch.testing.assert_close(found, torch.stack(energies).mean() - diagonal, rtol=1e-9, atol=1e-12)


def test_small_differences_count_in_bright_places():
    torch.manual_seed(0)
    made, drawn = 0.01 * torch.randn(2, 1, 4, 24, 24)
    torch.testing.assert_close(patch_energy(made + 50, drawn + 50, 3, CORNER), patch_energy(made, drawn, 3, CORNER),
                               rtol=0.01, atol=0)  # fmt: skip


@torch.enable_grad()
def test_its_gradients_are_right():
    torch.manual_seed(0)
    made, drawn = torch.randn(2, 1, 2, 16, 16, dtype=torch.float64)
    made = made.requires_grad_()
    (gradient,) = torch.autograd.grad(patch_energy(made, drawn, 3, CORNER), made)
    way = torch.randn_like(made)
    ahead, behind = (patch_energy((made + step * way).detach(), drawn, 3, CORNER) for step in (1e-6, -1e-6))
    assert (gradient * way).sum().item() == pytest.approx(((ahead - behind) / 2e-6).item(), rel=1e-6)


def striped(count):
    """Flat latents with sharp stripes, each elsewhere: (count, 4, 32, 32)."""
    latents = torch.zeros(count, 4, 32, 32)
    for latent in latents:
        latent[:, :, torch.arange(int(torch.randint(6, ())), 32, 6)] = 1
    return latents


def test_other_outlines_of_the_same_kind_are_nearer_than_soft_or_grainy_ones():
    """By squares the soft one, the mean of all, is nearest."""
    torch.manual_seed(0)
    drawn, others = striped(32), striped(32)
    soft = torch.full_like(drawn, drawn.mean().item())
    grainy = others + 0.1 * torch.randn_like(others)
    near, blurred, rough = (patch_energy(x, drawn, 3, CORNER).item() for x in (others, soft, grainy))
    assert near < 0.1 * blurred and near < 0.5 * rough
    assert F.mse_loss(soft, drawn) < F.mse_loss(others, drawn)


def test_whitened_latents_vary_alike_and_apart():
    torch.manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(16, 16)).Q * torch.logspace(0.5, -0.3, 16)
    latents = torch.einsum("ij,bjhw->bihw", mixing, torch.randn(8, 16, 32, 32))
    channels = F.conv2d(latents, whitening_of(latents)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(channels), torch.eye(16), atol=0.05, rtol=0)


SHARES = captioned_latents.signal_shares()
LAST = torch.tensor([sampling.lcm_timesteps(n)[-1] for n in (*sampling.STEP_COUNTS, sampling.DRAWING_STEPS)])


class Dimmed(torch.nn.Module):
    """A text model that knows the latents of its captions, numbers of `latents`, but shows a share of each: `last` at the
    sampler's last timesteps, `before` at the others."""

    def __init__(self, latents):
        super().__init__()
        self.latents = latents
        self.last, self.before = (torch.nn.Parameter(torch.tensor(0.5)) for _ in range(2))

    def text_encoder(self, ids):
        return ids

    def denoiser(self, x, timestep, ids):
        a = sampling.share_at(SHARES, timestep.long())
        share = torch.where(torch.isin(timestep, LAST), self.last, self.before)
        clean = share[:, None, None, None] * self.latents[ids[:, 0]]
        return (a.sqrt() * x - clean) / (1 - a).sqrt()


@torch.enable_grad()
def test_the_last_timesteps_become_as_sharp_as_the_drawn_and_the_others_stay():
    torch.manual_seed(0)
    latents = striped(8) + 0.02 * torch.randn(8, 4, 32, 32)
    student = Dimmed(latents)
    work = sharpen_text_model.Sharpening(copy.deepcopy(student), whitening_of(latents), SHARES)
    assert not set(work.last.tolist()) & set(work.held.tolist())
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    for _ in range(40):
        chosen = torch.randint(8, (8,))
        loss, parts = work.losses(student, latents[chosen], chosen[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert set(parts) == {"patches", "leash"}
    assert student.last.item() == pytest.approx(1, abs=0.1)
    assert student.before.item() == pytest.approx(0.5, abs=0.01)


def test_a_model_that_is_what_it_was_has_no_leash():
    torch.manual_seed(0)
    student = Dimmed(striped(8))
    work = sharpen_text_model.Sharpening(copy.deepcopy(student), whitening_of(striped(8)), SHARES)
    ids = torch.arange(8)[:, None]
    assert work.losses(student, student.latents, ids)[1]["leash"] == 0
    student.before += 0.1
    assert work.losses(student, student.latents, ids)[1]["leash"] > 0
    student.before -= 0.1
    student.last += 0.1  # which the leash leaves alone
    assert work.losses(student, student.latents, ids)[1]["leash"] < 1e-9


def test_half_of_the_samples_pass_the_timestep_before_the_last_where_it_shows_the_drawn():
    torch.manual_seed(0)
    work = sharpen_text_model.Sharpening(torch.nn.Identity(), whitening_of(striped(2)), SHARES)
    pairs = dict(zip(work.last.tolist(), work.passed.tolist(), strict=True))
    assert pairs == {259: 259, 179: 179, 99: 179}

    class Counting(torch.nn.Module):
        """Sees tens without their noise, and adds one more."""

        def text_encoder(self, ids):
            return ids

        def denoiser(self, x, timestep, ids):
            a = sampling.share_at(SHARES, timestep.long())
            clean = 10 * (x / a.sqrt() / 10).round() + 10
            return (a.sqrt() * x - clean) / (1 - a).sqrt()

    work.last, work.passed = torch.tensor([9]), torch.tensor([19])
    latent = 10.0 * torch.arange(400).view(-1, 1, 1, 1)
    added = (work.drawn_by(Counting(), latent, torch.zeros(400, 1)) - latent).flatten().round()
    assert set(added.tolist()) == {10, 20} and 0.4 < (added == 20).float().mean() < 0.6


def test_windows_are_laid_anew(monkeypatch):
    seen = []
    monkeypatch.setattr(sharpen_text_model, "patch_energy", lambda *arguments: seen.append(arguments[-1]) or torch.zeros(()))
    work = sharpen_text_model.Sharpening(torch.nn.Identity(), whitening_of(striped(2)), SHARES)
    torch.manual_seed(0)
    for _ in range(30):
        work.patches(striped(1), striped(1))
    corners = torch.stack(seen)
    assert corners.min() == 0 and corners.max() == latent_statistics.WINDOW - 1
