"""A training step, and twenty of them, against plain PyTorch on the same weights, batches and noise."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from cfm_reference import CfmReference, noising_alpha_bar
from conftest import ROOT
from fmboost_export.cfm_formula import SMALL, formula_cfm
from safetensors.torch import load_file, save_file

DEFAULTS = {"lr": 1e-4, "warmup_steps": 0, "noising_step": 400, "precision": "float32", "steps": 1, "accumulate": 1}


@pytest.fixture
def case_program():
    path = Path(os.environ.get("FMBOOST_TRAINING_CASE", ROOT / "build" / "release" / "tests" / "fmboost_training_case"))
    assert path.is_file(), f"{path} is missing: build it, or set FMBOOST_TRAINING_CASE"
    return path


def well_conditioned(tensor, generator):
    """Normal numbers of the usual size: the formula's are so alike that sums cancel, which magnifies rounding."""
    x = torch.randn(tensor.shape, generator=generator)
    if tensor.dim() > 1:
        return x / tensor[0].numel() ** 0.5
    return 0.1 * x + tensor.mean().round()


def make_case(options, network):
    """Weights, batches and noise, all random but always the same. 64 channels: in front of norms whose groups have one
    channel, biases have no gradient but rounding errors."""
    tensors, config = formula_cfm(SMALL | {"model_channels": 64} | network)
    generator = torch.Generator().manual_seed(len(json.dumps(options)))
    case = {f"weight.{name}": well_conditioned(tensor, generator) for name, tensor in tensors.items()}
    for i in range(options["steps"] * options["accumulate"]):
        latent = torch.randn(3, 4, 16, 16, generator=generator)
        noise = torch.randn(latent.shape, generator=generator)
        case[f"latent.{i}"], case[f"context.{i}"] = latent, 0.7 * latent + 0.5 * noise
        case[f"start.{i}"] = torch.randn(latent.shape, generator=generator)
        case[f"t.{i}"] = torch.rand(3, generator=generator)
        if options.get("sigma_min"):
            case[f"path.{i}"] = torch.randn(latent.shape, generator=generator)
        if "noising_step_max" in options:
            steps = torch.randint(options["noising_step"], options["noising_step_max"] + 1, (3,), generator=generator)
            case[f"alpha_bar.{i}"] = noising_alpha_bar()[steps]
        if options.get("objective") == "energy":
            case[f"other_start.{i}"] = torch.randn(latent.shape, generator=generator)
            case[f"diversity_weight.{i}"] = torch.tensor([0.3, 0.0, 1.0])
    return case, config


def run_program(program, tmp_path, case, config, options):
    save_file(case, tmp_path / "case.safetensors", {"options": json.dumps(options), "config": json.dumps(config)})
    done = subprocess.run([program, tmp_path / "case.safetensors", tmp_path / "out.safetensors"], capture_output=True,
                          text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return load_file(tmp_path / "out.safetensors")


def patches(x, side, origin):
    """(B, C, H, W) -> (B, latent pixels, numbers) of squares from `origin` on, as many as fit in whole squares of 8."""
    y, x0 = (min(place, size - 8) for place, size in zip(origin, x.shape[2:], strict=True))
    height, width = ((size - place) // 8 * 8 for place, size in zip((y, x0), x.shape[2:], strict=True))
    return torch.nn.functional.unfold(x[:, :, y : y + height, x0 : x0 + width], side, stride=side).transpose(1, 2)


def distance(a, b, origin):
    """patch_distance() of latents (B, C, H, W), from its description: (B)."""
    x = a - b
    y, x0 = (min(place, size - 8) for place, size in zip(origin, x.shape[2:], strict=True))
    means = torch.nn.functional.avg_pool2d(x[:, :, y:, x0:], 2)[:, :, : (x.shape[2] - y) // 8 * 4, : (x.shape[3] - x0) // 8 * 4]
    here = x[:, :, :-1, :-1]
    neighbors = torch.cat([x[:, :, 1:, :-1] - here, x[:, :, :-1, 1:] - here], 1)
    views = [x.flatten(2).transpose(1, 2), neighbors.flatten(2).transpose(1, 2), patches(x, 2, origin), patches(x, 4, origin),
             torch.nn.functional.unfold(means, 4, stride=4).transpose(1, 2)]  # fmt: skip
    return sum((view.square().mean(2) + 1e-6).sqrt().mean(1) for view in views)


def energy_of_rollouts(network, starts, context, latent, diversity_weight, rollout):
    """Two rollouts of every pair; the second one of a noiseless pair does not count."""
    ends = []
    for x in starts:
        for i in range(rollout["steps"]):
            x = x + network.velocity(x, torch.full((len(x),), i / rollout["steps"]), context) / rollout["steps"]
        ends.append(x)
    one, other = ends
    far = [distance(*pair, (rollout["y"], rollout["x"])) for pair in ((one, latent), (other, latent), (one, other))]
    energy = (far[0] + far[1]) / 2 - diversity_weight * far[2] / 2
    return torch.where(diversity_weight > 0, energy, 5 * (one - latent).square().mean((1, 2, 3))).mean()


def loss_of(network, case, i, options):
    latent, context, t = (case[f"{name}.{i}"] for name in ("latent", "context", "t"))
    a = case.get(f"alpha_bar.{i}", noising_alpha_bar()[options["noising_step"]]).reshape(-1, 1, 1, 1)
    x0 = a.sqrt() * context + (1 - a).sqrt() * case[f"start.{i}"]
    if options.get("start_from_noise"):
        x0 = case[f"start.{i}"]
    if options.get("objective") == "energy":
        other = a.sqrt() * context + (1 - a).sqrt() * case[f"other_start.{i}"]
        return energy_of_rollouts(network, (x0, other), context, latent, case[f"diversity_weight.{i}"], options["rollout"])
    at = t[:, None, None, None]
    if options.get("path") == "gvp":
        half = torch.pi / 2
        x = torch.sin(half * at) * latent + torch.cos(half * at) * x0
        u = half * (torch.cos(half * at) * latent - torch.sin(half * at) * x0)
    else:
        x, u = at * latent + (1 - at) * x0, latent - x0
    if options.get("sigma_min"):
        x = x + options["sigma_min"] * case[f"path.{i}"]
    return (network.velocity(x, t, context) - u).square().mean()


def ema_decay(update, after, beta=0.999, power=0.75):
    epoch = update - after - 1
    return min(beta, 1 - (1 + epoch) ** -power) if epoch > 0 else 0.0


def train_in_pytorch(case, config, options):
    weights = {key.removeprefix("weight."): x.clone().requires_grad_() for key, x in case.items() if "weight." in key[:7]}
    network = CfmReference(weights, config)
    kind = torch.optim.AdamW if options.get("method") == "adamw" else torch.optim.Adam
    betas = options.get("beta1", 0.9), options.get("beta2", 0.999)
    optimizer = kind(weights.values(), lr=options["lr"], betas=betas, weight_decay=options.get("weight_decay", 0.0))
    ema, losses, norms, gradients = {}, [], [], None
    for step in range(options["steps"]):
        optimizer.zero_grad()
        total = 0.0
        for i in range(options["accumulate"]):
            loss = loss_of(network, case, step * options["accumulate"] + i, options) / options["accumulate"]
            loss.backward()
            total += loss.item()
        losses.append(total)
        gradients = gradients or {name: x.grad.clone() for name, x in weights.items()}
        norms.append(torch.nn.utils.clip_grad_norm_(weights.values(), options.get("clip_norm") or float("inf")))
        for group in optimizer.param_groups:
            group["lr"] = options["lr"] * min(1.0, step / options["warmup_steps"] if options["warmup_steps"] else 1.0)
        optimizer.step()
        decay = ema_decay(step + 1, options.get("ema_update_after_step", 1000))
        for name, x in weights.items():
            ema[name] = x.detach().clone() if decay == 0 else decay * ema[name] + (1 - decay) * x.detach()
    return {"loss": torch.tensor(losses), "norm": torch.stack(norms), "gradient": gradients, "weight": weights, "ema": ema}


def largest_error(found, expected, kind):
    return max(
        (found[f"{kind}.{name}"] - x.detach()).abs().max().item() / x.detach().abs().max().item()
        for name, x in expected[kind].items()
    )


STEPS = {
    "published": ({}, {}),
    "pure noise on the gvp path": ({"path": "gvp", "start_from_noise": True}, {}),
    "no noise, linear attention": ({"noising_step": 0}, {"use_linear_attn": True}),
    "a noising step of its own for every sample": ({"noising_step": 0, "noising_step_max": 500, "sigma_min": 0.1}, {}),
    "sigma_min, accumulated": ({"sigma_min": 0.05, "accumulate": 3}, {}),
    "the energy of rollouts": ({"objective": "energy", "noising_step": 0, "noising_step_max": 300,
                             "rollout": {"steps": 2, "y": 5, "x": 8}}, {}),
    "the energy of one step, accumulated": ({"objective": "energy", "accumulate": 2, "rollout": {"steps": 1, "y": 0, "x": 3}}, {}),
    "pooled, no scale and shift": ({}, {"pool_factor": 2, "use_scale_shift_norm": False, "conv_resample": False}),
    "channels-last": ({"memory_format": "channels-last"}, {"channel_mult": [1, 2, 2], "num_res_blocks": 2}),
}


@pytest.mark.parametrize("name", STEPS)
def test_loss_and_gradients_of_a_step_equal_pytorch(case_program, tmp_path, name):
    changes, network = STEPS[name]
    options = DEFAULTS | changes
    case, config = make_case(options, network)
    found = run_program(case_program, tmp_path, case, config, options)
    with torch.enable_grad():
        expected = train_in_pytorch(case, config, options)
    assert found["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-5)
    assert found["norm"].item() == pytest.approx(expected["norm"].item(), rel=1e-5)
    assert min(x.abs().max() for x in expected["gradient"].values()) > 0, "a weight without a gradient would hide errors"
    assert largest_error(found, expected, "gradient") < 1e-5


RUNS = {
    "adam": {"warmup_steps": 5},
    "adam with weight decay, foreach": {"weight_decay": 0.1, "kernels": "foreach"},
    "adamw, clipped": {"method": "adamw", "weight_decay": 0.1, "clip_norm": 0.5, "beta1": 0.8, "beta2": 0.99},
}


@pytest.mark.parametrize("name", RUNS)
def test_weights_and_average_of_twenty_steps_equal_pytorch(case_program, tmp_path, name):
    options = DEFAULTS | {"steps": 20, "ema_update_after_step": 3} | RUNS[name]
    case, config = make_case(options, {})
    found = run_program(case_program, tmp_path, case, config, options)
    with torch.enable_grad():
        expected = train_in_pytorch(case, config, options)
    torch.testing.assert_close(found["loss"], expected["loss"], rtol=1e-4, atol=0)
    torch.testing.assert_close(found["norm"], expected["norm"], rtol=1e-3, atol=0)
    # Of the largest of all: where a gradient is nearly zero, Adam makes whole steps of its rounding errors.
    largest = max(x.detach().abs().max() for x in expected["weight"].values())
    for kind in ("weight", "ema"):
        for key, x in expected[kind].items():
            assert (found[f"{kind}.{key}"] - x.detach()).abs().max() < 1e-4 * largest, f"{kind} {key}"
    moved = max((x - case[f"weight.{key}"]).abs().max() for key, x in expected["weight"].items())
    apart = max((x - expected["ema"][key]).abs().max() for key, x in expected["weight"].items())
    assert moved > 1e-3 and apart > 1e-4, "weights that hardly change would hide errors"
