"""Sharpening of the text model: the patch energy and the training with it."""

import copy

import pytest
import torch
from torch.nn import functional as F

import captioned_latents
import latent_statistics
import sampling
import sharpen_text_model
import text_networks
from latent_statistics import WINDOW, marginal_distance, patch_energy, whitening_of

CORNER = torch.tensor([3, 5])


def patches_one_by_one(latent, size, top, left):
    """The patches of one window of a latent (C, h, w), with zero padding."""
    reach = size // 2
    padded = F.pad(latent, (reach,) * 4)
    places = [(y, x) for y in range(top, top + WINDOW) for x in range(left, left + WINDOW)]
    return [padded[:, y : y + size, x : x + size].flatten() for y, x in places]


def mean_distance(one, other, same=False):
    """Mean distance of the pairs of two lists; `same`: without pairs of a patch and itself."""
    pairs = [(a, b) for i, a in enumerate(one) for j, b in enumerate(other) if not (same and i == j)]
    return torch.stack([((a - b).square().mean() + 1e-5).sqrt() for a, b in pairs]).mean()


@pytest.mark.parametrize("size", [1, 3])
def test_the_patch_energy_equals_its_formula(size):
    torch.manual_seed(0)
    made, drawn = torch.randn(2, 2, 3, 24, 16, dtype=torch.float64)
    energies = []
    for one, other in zip(made, drawn, strict=True):
        for top in (3, 11):  # two windows fit vertically, one horizontally
            x, z = (patches_one_by_one(latent, size, top, 5) for latent in (one, other))
            among = mean_distance(x, x, same=True) + mean_distance(z, z, same=True)
            energies.append(mean_distance(x, z) - among / 2)
    found = patch_energy(made, drawn, size, CORNER)
    diagonal = 2 * (1e-5**0.5) / (WINDOW**2 - 1) / 2  # distances of a patch to itself, which the formula excludes
    torch.testing.assert_close(found, torch.stack(energies).mean() - diagonal, rtol=1e-9, atol=1e-12)


def test_the_patch_energy_is_precise_for_large_values():
    torch.manual_seed(0)
    made, drawn = 0.01 * torch.randn(2, 1, 4, 24, 24)
    torch.testing.assert_close(patch_energy(made + 50, drawn + 50, 3, CORNER), patch_energy(made, drawn, 3, CORNER),
                               rtol=0.01, atol=0)  # fmt: skip


@torch.enable_grad()
def test_the_patch_energy_has_the_right_gradient():
    torch.manual_seed(0)
    made, drawn = torch.randn(2, 1, 2, 16, 16, dtype=torch.float64)
    made = made.requires_grad_()
    (gradient,) = torch.autograd.grad(patch_energy(made, drawn, 3, CORNER), made)
    way = torch.randn_like(made)
    ahead, behind = (patch_energy((made + step * way).detach(), drawn, 3, CORNER) for step in (1e-6, -1e-6))
    assert (gradient * way).sum().item() == pytest.approx(((ahead - behind) / 2e-6).item(), rel=1e-6)


def striped(count):
    """Flat latents with sharp stripes at random offsets: (count, 4, 32, 32)."""
    latents = torch.zeros(count, 4, 32, 32)
    for latent in latents:
        latent[:, :, torch.arange(int(torch.randint(6, ())), 32, 6)] = 1
    return latents


def test_shifted_outlines_have_less_patch_energy_than_soft_or_grainy_ones():
    """By squared error the soft one, the mean of all, is nearest."""
    torch.manual_seed(0)
    drawn, others = striped(32), striped(32)
    soft = torch.full_like(drawn, drawn.mean().item())
    grainy = others + 0.1 * torch.randn_like(others)
    near, blurred, rough = (patch_energy(x, drawn, 3, CORNER).item() for x in (others, soft, grainy))
    assert near < 0.1 * blurred and near < 0.5 * rough
    assert F.mse_loss(soft, drawn) < F.mse_loss(others, drawn)


def test_the_marginal_distance_equals_its_formula():
    torch.manual_seed(0)
    made, drawn = torch.randn(2, 2, 3, 6, 5, dtype=torch.float64)
    found = []
    for channel in range(3):
        for crowds in ([x[:, channel] for x in (made, drawn)], [x[:, channel, 1:] - x[:, channel, :-1] for x in (made, drawn)],
                       [x[:, channel, :, 1:] - x[:, channel, :, :-1] for x in (made, drawn)]):  # fmt: skip
            one, other = (sorted(x.flatten().tolist()) for x in crowds)
            gaps = [abs(a - b) for a, b in zip(one, other, strict=True)]
            found += [sum(gaps) / len(gaps), (sum(gap**2 for gap in gaps) / len(gaps)) ** 0.5]
    assert marginal_distance(made, drawn).item() == pytest.approx(sum(found) / len(found), rel=1e-6)


def test_the_marginal_distance_detects_weak_outlines_at_any_position():
    torch.manual_seed(0)
    drawn = striped(16)
    others = drawn.flip(0)  # each in another image
    assert marginal_distance(others, drawn) < 0.1 * marginal_distance(0.85 * others, drawn)
    grainy = others + 0.05 * torch.randn_like(others)
    assert marginal_distance(others, drawn) < 0.3 * marginal_distance(grainy, drawn)


def test_decoded_squares_are_random_and_the_same_in_both():
    torch.manual_seed(0)
    work = sharpening(torch.nn.Identity(), striped(2))
    latent = torch.arange(48.0 * 40).view(1, 1, 48, 40).expand(2, 4, -1, -1)
    corners = set()
    for _ in range(60):
        made, wanted = work.decoded(latent, latent)
        assert made.shape == (2, 3, 32, 32) and torch.equal(made, wanted) and (made.diff(dim=3) == 1).all()
        corners.add((made[0, 0, 0, 0].item() // 40, made[0, 0, 0, 0].item() % 40))
    assert {y for y, _ in corners} >= {0, 16} and {x for _, x in corners} == set(range(9))


def test_whitened_latents_have_unit_covariance():
    torch.manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(16, 16)).Q * torch.logspace(0.5, -0.3, 16)
    latents = torch.einsum("ij,bjhw->bihw", mixing, torch.randn(8, 16, 32, 32))
    channels = F.conv2d(latents, whitening_of(latents)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(channels), torch.eye(16), atol=0.05, rtol=0)


def test_matching_timesteps_have_equal_noise():
    coarse, fine = (captioned_latents.signal_shares(b) for b in (captioned_latents.BETAS, captioned_latents.FINE_BETAS))
    same = captioned_latents.matching_timesteps(fine, coarse)
    assert (same.diff() >= 0).all() and (same[fine > coarse[0]] == 0).all()
    below = same.long()
    within = (fine < coarse[0]) & (below < 999)
    assert within.sum() > 900
    assert (fine[within] <= coarse[below[within]] * 1.0001).all() and (fine[within] >= coarse[below[within] + 1] * 0.9999).all()
    alike = captioned_latents.matching_timesteps(coarse, coarse)
    torch.testing.assert_close(alike, torch.arange(1000.0), atol=0.01, rtol=0)


@torch.enable_grad()
def test_a_retimed_embedding_reproduces_its_output_at_other_timesteps():
    torch.manual_seed(0)
    time = text_networks.TimeEmbedding(96, 64)
    with torch.no_grad():
        time.mlp[0].weight.unflatten(1, (2, 48))[:, :, :16] = 0  # trained embeddings barely use the fastest waves
    coarse, fine = (captioned_latents.signal_shares(b) for b in (captioned_latents.BETAS, captioned_latents.FINE_BETAS))
    other = captioned_latents.matching_timesteps(fine, coarse)
    with torch.no_grad():
        wanted, unmoved = time(other), time(torch.arange(1000))
    error = text_networks.retime(time, other)
    with torch.no_grad():
        found = F.mse_loss(time(torch.arange(1000)), wanted) / wanted.var()
    assert found < 1e-2 and found < 0.05 * F.mse_loss(unmoved, wanted) / wanted.var()
    assert error == pytest.approx(found.item(), rel=0.1)


SHARES = captioned_latents.signal_shares(captioned_latents.FINE_BETAS)
SHOW = [t for t in range(1000) if SHARES[t] >= sharpen_text_model.SHOWS]


def clean_as_velocity(x, timestep, clean):
    a = sampling.share_at(SHARES, timestep.round().long())
    return (a.sqrt() * x - clean) / (1 - a).sqrt()


class Dimmed(torch.nn.Module):
    """A text model that predicts the latents of its captions (indices into `latents`), scaled by `fine` at timesteps with
    little noise and by `rough` at the others."""

    def __init__(self, latents):
        super().__init__()
        self.latents = latents
        self.fine, self.rough = (torch.nn.Parameter(torch.tensor(0.5)) for _ in range(2))

    def text_encoder(self, ids):
        return ids

    def denoiser(self, x, timestep, ids):
        share = torch.where(timestep <= SHOW[-1], self.fine, self.rough)
        return clean_as_velocity(x, timestep, share[:, None, None, None] * self.latents[ids[:, 0]])


class Numbered:
    """Latents whose captions are their indices."""

    def __init__(self, latents):
        self.latents = latents

    def batch(self, count):
        chosen = torch.randint(len(self.latents), (count,))
        return self.latents[chosen], chosen[:, None]


def sharpening(origin, latents):
    rollouts = sharpen_text_model.Rollouts(Numbered(latents), SHARES, 6)
    return sharpen_text_model.Sharpening(origin, lambda latent: latent[:, :3], whitening_of(latents), SHARES, SHARES, rollouts)


@torch.enable_grad()
def test_the_last_timesteps_become_as_sharp_as_drawn_latents_and_the_others_stay():
    torch.manual_seed(0)
    latents = striped(8) + 0.02 * torch.randn(8, 4, 32, 32)
    student = Dimmed(latents)
    work = sharpening(copy.deepcopy(student), latents)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.05)
    for _ in range(40):
        loss, parts = work.losses(student, 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert set(parts) == {"patches", "marginal", "pixels", "near", "leash"}
    assert student.fine.item() == pytest.approx(1, abs=0.1)
    assert student.rough.item() == pytest.approx(0.5, abs=0.01)


def test_the_leash_is_zero_for_an_unchanged_model():
    torch.manual_seed(0)
    student = Dimmed(striped(8))
    work = sharpening(copy.deepcopy(student), striped(8))
    assert work.losses(student, 8)[1]["leash"] < 1e-9
    student.rough += 0.1
    assert work.losses(student, 8)[1]["leash"] > 1e-3
    student.rough -= 0.1
    student.fine += 0.1  # which the leash does not cover
    assert work.losses(student, 8)[1]["leash"] < 1e-9


def test_rollouts_follow_the_samplers_from_their_own_predictions():
    torch.manual_seed(0)
    latents = 100.0 * torch.arange(5).view(-1, 1, 1, 1).expand(-1, 4, 16, 16)
    rollouts = sharpen_text_model.Rollouts(Numbered(latents), SHARES, 6)
    paths = {steps: [t for t in sampling.lcm_timesteps(steps) if t in SHOW] for steps in sharpen_text_model.STEPS_TAKEN}
    met = [[] for _ in rollouts.drawn]
    for _ in range(600):
        chosen, timestep, source = rollouts.choose()
        assert len(set(chosen.tolist())) == 6
        for i, t, value in zip(chosen.tolist(), timestep.tolist(), source[:, 0, 0, 0].tolist(), strict=True):
            number, steps = int(value // 100), round(value % 100)  # every prediction adds one
            assert number == rollouts.ids[i, 0] and rollouts.drawn[i, 0, 0, 0] == 100 * number
            assert rollouts.fresh[i] == (steps == 0)
            if steps == 0:
                met[i].append([])
            met[i][-1].append(t)
        rollouts.advance(chosen, source + 1)
    whole = [path_taken for several in met for path_taken in several[1:-1]]  # the first started late, the last are unfinished
    assert all(any(path_taken == path[-len(path_taken) :] for path in paths.values()) for path_taken in whole)
    assert all(path in whole for path in paths.values())
    assert 0.1 < sum(path_taken not in paths.values() for path_taken in whole) / len(whole) < sharpen_text_model.LATE_SHARE
    assert set().union(*whole) == set().union(*paths.values())


def test_every_sampler_timestep_is_trained_or_held():
    work = sharpening(torch.nn.Identity(), striped(2))
    learned, held = set(work.rollouts.paths.flatten().tolist()) - {0}, set(work.held.tolist())
    assert max(learned) < min(held) and learned == set(SHOW[39::20]) - {59, 219, 299, 459}  # which no sampler uses
    for steps in {*sharpen_text_model.STEPS_TAKEN, sampling.DRAWING_STEPS, *sampling.STEP_COUNTS}:
        assert set(sampling.lcm_timesteps(steps)) <= learned | held


@pytest.mark.parametrize("timestep, certain", [(19, 0.96), (79, 0.55), (119, 0.05), (159, 0)])
def test_predictions_must_be_near_drawn_latents_only_at_low_noise(timestep, certain):
    torch.manual_seed(0)
    student = Dimmed(striped(8))
    work = sharpening(torch.nn.Identity(), student.latents)
    work.rollouts.steppers = len(work.rollouts.drawn)
    work.rollouts.paths.fill_(timestep)
    missing = F.conv2d(0.5 * work.rollouts.drawn, work.whitening).square().mean(1).add(1e-5).sqrt().mean().item()
    work.origin = student
    assert work.losses(student, 1)[1]["near"].item() == pytest.approx(certain * missing, abs=0.02 * missing)
    work.rollouts.fresh.fill_(False)
    assert work.losses(student, 1)[1]["near"] == 0


def test_windows_are_placed_at_random(monkeypatch):
    seen = []
    monkeypatch.setattr(sharpen_text_model, "patch_energy", lambda *arguments: seen.append(arguments[-1]) or torch.zeros(()))
    work = sharpening(torch.nn.Identity(), striped(2))
    torch.manual_seed(0)
    for _ in range(30):
        work.patches(striped(1), striped(1))
    corners = torch.stack(seen)
    assert corners.min() == 0 and corners.max() == latent_statistics.WINDOW - 1
