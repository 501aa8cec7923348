"""Tuning of the text model on its own images: rollouts and losses."""

import copy

import diffusers
import pytest
import torch

import captioned_latents
import fact_classifier
import latent_statistics
import sampling
import scene_facts
import tune_text_model


@pytest.mark.parametrize("steps", sampling.STEP_COUNTS)
def test_rollouts_equal_diffusers_lcm_sampling(steps):
    torch.manual_seed(0)
    network, shares = torch.nn.Conv2d(4, 4, 3, padding=1), captioned_latents.signal_shares()

    class Model:
        def denoiser(self, x, timestep, text):
            return network(x) * (1 + timestep[:, None, None, None] / 1000) + text[:, :, None, None]

    first, last = captioned_latents.BETAS
    scheduler = diffusers.LCMScheduler(
        beta_start=first, beta_end=last, beta_schedule="linear", prediction_type="v_prediction",
        original_inference_steps=sampling.ORIGINAL_STEPS, clip_sample=False,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    noise, text = torch.randn(2, 4, 8, 8), torch.randn(2, 4)
    x = noise
    torch.manual_seed(1)
    for timestep in scheduler.timesteps:
        velocity = Model().denoiser(x, timestep.float().expand(2), text)
        x, _ = scheduler.step(velocity, timestep, x, return_dict=False)
    torch.manual_seed(1)
    states = sampling.rollout(Model(), noise, text, shares, sampling.lcm_timesteps(steps))
    assert [timestep for timestep, _, _ in states] == scheduler.timesteps.tolist()
    torch.testing.assert_close(states[-1][2], x, atol=1e-4, rtol=1e-4)


@pytest.fixture
def narrow(monkeypatch):
    """Classifiers with few channels."""
    monkeypatch.setattr(fact_classifier, "CHANNELS", (8, 8, 8, 8))


class Painter(torch.nn.Module):
    """A text model that can only learn one image per word."""

    def __init__(self):
        super().__init__()
        self.text_encoder = torch.nn.Embedding(8, 16 * 32 * 32)

    def denoiser(self, x, timestep, text):
        return text[:, 0].view(-1, 16, 32, 32)


@torch.enable_grad()
def test_tuning_follows_the_classifiers_and_the_leash(narrow):
    torch.manual_seed(0)
    origin, shares = Painter(), captioned_latents.signal_shares()
    classifiers = [fact_classifier.FactClassifier(16) for _ in range(2)]
    work = tune_text_model.Tuning(origin, origin, classifiers, shares)
    before = [{name: tensor.clone() for name, tensor in one.state_dict().items()} for one in work.classifiers]
    ids, drawn = torch.arange(8)[:, None], torch.randn(8, 16, 32, 32)
    classes = torch.stack([torch.arange(8) % len(values) for values in scene_facts.PROPERTIES.values()], 1)

    def tuned(**weights):
        """Both losses after tuning on their weighted sum."""
        torch.manual_seed(1)
        painter = copy.deepcopy(origin).requires_grad_(True)
        optimizer = torch.optim.Adam(painter.parameters(), lr=0.05)
        for _ in range(30):
            losses = work.losses(painter, drawn, torch.randn(8, 16, 32, 32), ids, classes)
            optimizer.zero_grad()
            sum(weight * losses[name] for name, weight in weights.items()).backward()
            optimizer.step()
        return losses["facts"].item(), losses["leash"].item()

    def first(painter):
        losses = work.losses(painter, drawn, torch.randn(8, 16, 32, 32), ids, classes)
        return losses["facts"].item(), losses["leash"].item()

    facts, leash = first(origin)
    assert leash == 0
    freely, held = tuned(facts=1), tuned(facts=1, leash=100)
    assert freely[0] < 0.95 * facts and freely[0] < held[0]
    assert held[1] < 0.1 * freely[1]
    moved = copy.deepcopy(origin)  # by the same constant velocity at all steps
    with torch.no_grad():
        moved.text_encoder.weight += 0.5
    assert first(moved)[1] == pytest.approx(0.25, rel=1e-4)
    for weights, one in zip(before, work.classifiers, strict=True):
        assert all(torch.equal(weights[name], tensor) for name, tensor in one.state_dict().items())  # unchanged


def test_the_leash_uses_the_finisher_for_the_last_timesteps():
    """With reference models that predict constants: 1 for the origin, 2 for the finisher."""

    class Constant(torch.nn.Module):
        def __init__(self, answer):
            super().__init__()
            self.answer, self.text_encoder = torch.nn.Parameter(torch.tensor(answer)), torch.nn.Embedding(2, 1)

        def denoiser(self, x, timestep, text):
            return self.answer.expand_as(x)

    weights = {name: 1.0 if name == "leash" else 0.0 for name in tune_text_model.WEIGHTS}
    work = tune_text_model.Tuning(Constant(1.0), Constant(2.0), [], captioned_latents.signal_shares(), weights)
    noise, ids = torch.randn(1, 4, 8, 8), torch.zeros(1, 1, dtype=torch.long)
    losses = work.losses(Constant(0.0), None, noise, ids, None, sampling.lcm_timesteps(4))
    assert losses["leash"].item() == pytest.approx((1 + 4 + 4) / 3, rel=1e-4)  # the three steps with gradients


def test_gradients_flow_through_the_late_timesteps_of_a_rollout():
    shares, noise, text = captioned_latents.signal_shares(), torch.randn(1, 4, 8, 8), torch.zeros(1, 4)

    class Model:
        def __init__(self):
            self.answers = []

        def denoiser(self, x, timestep, text):
            self.answers.append(torch.zeros_like(x, requires_grad=True))
            return x + self.answers[-1]

    model = Model()
    with torch.enable_grad():
        sampling.rollout(model, noise, text, shares, (999, 800, 799, 400))[-1][2].sum().backward()
    assert [answer.grad is not None for answer in model.answers] == [False, False, True, True]


def test_mixed_interpolates_weights():
    one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    with torch.no_grad():
        one.weight.copy_(torch.tensor([[2.0, -1.0]]))
        other.weight.copy_(torch.tensor([[0.0, 1.0]]))
    assert tune_text_model.mixed(one, other, 0.25).weight.tolist() == [[1.5, -0.5]]
    assert one.weight.tolist() == [[2.0, -1.0]]


@torch.enable_grad()
def test_a_pattern_is_shared_by_latents_at_the_same_positions():
    torch.manual_seed(0)
    latent = torch.randn(16, 3, 64, 64)
    by_chance = latent_statistics.pattern_of(latent).item()
    pattern = 0.1 * torch.randn(3, latent_statistics.PERIOD, latent_statistics.PERIOD).repeat(1, 8, 8)
    patterned = (latent + pattern).requires_grad_(True)
    found = latent_statistics.pattern_of(patterned)
    assert found.item() > 5 * by_chance
    # The same pattern at different positions does not count, nor does a constant offset.
    moved = torch.stack([torch.roll(p, (3 * i, 5 * i), (1, 2)) for i, p in enumerate(latent + pattern)])
    assert latent_statistics.pattern_of(moved).item() < 0.3 * found.item()
    assert latent_statistics.pattern_of(latent + 2).item() == pytest.approx(by_chance, rel=1e-3)
    found.backward()
    with torch.no_grad():
        assert latent_statistics.pattern_of(patterned - 2000 * patterned.grad).item() < found.item()


def flat_and_rough():
    """Latents that are smooth on the left and rough on the right."""
    return torch.randn(8, 3, 32, 32) * torch.cat([torch.full((16,), 0.01), torch.ones(16)])


@torch.enable_grad()
def test_grain_distance_compares_roughness_regardless_of_position():
    torch.manual_seed(0)
    drawn = flat_and_rough()
    assert latent_statistics.grain_distance(drawn, drawn) == 0
    by_chance = latent_statistics.grain_distance(flat_and_rough(), drawn).item()
    elsewhere = latent_statistics.grain_distance(flat_and_rough().flip(3), drawn).item()
    assert elsewhere < 2 * by_chance
    grainy = (flat_and_rough() + 0.1 * torch.randn_like(drawn)).requires_grad_(True)
    found = latent_statistics.grain_distance(grainy, drawn)
    assert found.item() > 5 * elsewhere
    found.backward()
    with torch.no_grad():
        assert latent_statistics.grain_distance(grainy - 20 * grainy.grad, drawn) < 0.9 * found
    soft = latent_statistics.grain_distance(0.3 * drawn, drawn)
    assert soft > 5 * by_chance  # blur is penalized too


def test_losses_without_a_weight_are_omitted(narrow):
    torch.manual_seed(0)
    weights, shares = tune_text_model.WEIGHTS | {"leash": 0}, captioned_latents.signal_shares()
    work = tune_text_model.Tuning(Painter(), Painter(), [fact_classifier.FactClassifier(16)], shares, weights)
    drawn, classes = torch.randn(8, 16, 32, 32), torch.zeros(8, len(scene_facts.PROPERTIES), dtype=torch.long)
    losses = work.losses(Painter(), drawn, torch.randn_like(drawn), torch.arange(8)[:, None], classes)
    assert set(losses) == {"facts", "pattern", "grain"}


def test_all_classifiers_count_equally(narrow, monkeypatch):
    monkeypatch.setattr(tune_text_model, "NOISE", 0)
    torch.manual_seed(0)
    one, other = (fact_classifier.FactClassifier(16) for _ in range(2))
    latent, classes = torch.randn(4, 16, 32, 32), torch.zeros(4, len(scene_facts.PROPERTIES), dtype=torch.long)

    def facts(*classifiers):
        work = tune_text_model.Tuning(Painter(), Painter(), classifiers, captioned_latents.signal_shares())
        return work.facts(latent, classes).item()

    assert facts(one) != facts(other)
    assert facts(one, other) == pytest.approx((facts(one) + facts(other)) / 2)


def test_captions_of_small_objects_are_sampled_more_often():
    classes = torch.zeros(3, len(scene_facts.PROPERTIES), dtype=torch.long)
    names = list(scene_facts.PROPERTIES)
    classes[:, names.index("trees")] = 1
    classes[1, names.index("boat")] = 2
    classes[2, names.index("boat")] = classes[2, names.index("animals")] = 1
    assert tune_text_model.weights_of_captions(classes).tolist() == [1, 3, 5]


def test_sun_and_moon_are_not_judged(narrow):
    torch.manual_seed(0)
    names, scores = list(scene_facts.PROPERTIES), fact_classifier.FactClassifier(16)(torch.randn(2, 16, 32, 32))
    classes = torch.zeros(2, len(names), dtype=torch.long)
    other = classes.clone()
    other[:, names.index("orb")] = 1

    def loss(classes):
        return fact_classifier.loss_of(scores, classes, tune_text_model.NOT_JUDGED).item()

    assert loss(classes) == loss(other)
    other[:, names.index("boat")] = 1
    assert loss(classes) != loss(other)
