"""The PyTorch transcription of the coupling equals the reference values, so that other tests can rely on it."""

import json

import pytest
import torch
from cfm_reference import CfmReference, noising_alpha_bar
from conftest import ROOT
from fmboost_export.cfm_formula import formula_cfm
from fmboost_export.cfm_layout import tensor_shapes
from safetensors import safe_open
from safetensors.torch import load_file

GOLDEN = ROOT / "tests" / "fixtures" / "golden"
NETWORKS = sorted(path.stem for path in GOLDEN.glob("cfm_unet_*.safetensors"))
assert NETWORKS, f"no reference networks in {GOLDEN}"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_equals_the_published_one(name):
    with safe_open(GOLDEN / f"{name}.safetensors", framework="pt") as file:
        metadata = file.metadata()
    tensors, config = load_file(GOLDEN / f"{name}.safetensors"), json.loads(metadata["config"])
    weights = {key.removeprefix("weight."): x for key, x in tensors.items() if key.startswith("weight.")}
    if not weights:  # too large to store, so they come from a formula
        assert list(tensor_shapes(config)) == json.loads(metadata["keys"])
        weights, _ = formula_cfm(config)
        assert sum(x.numel() for x in weights.values()) == int(metadata["parameters"])
    assert {key: tuple(x.shape) for key, x in weights.items()} == tensor_shapes(config)
    found = CfmReference(weights, config).velocity(tensors["input.x"], tensors["input.t"], tensors.get("input.context"))
    expected = tensors["output"]
    assert (found - expected).abs().max() / expected.abs().max() < 1e-4


def test_the_noising_schedule_equals_the_published_one():
    expected = load_file(GOLDEN / "forward_diffusion.safetensors")["alpha_bar"]
    torch.testing.assert_close(noising_alpha_bar(), expected, rtol=1e-5, atol=1e-6)
