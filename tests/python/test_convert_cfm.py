"""convert_cfm_checkpoint.py: weights, configurations and errors."""

import json

import convert_cfm_checkpoint
import pytest
import torch
from fmboost_export import cfm_formula
from fmboost_export.errors import run_main
from safetensors import safe_open
from safetensors.torch import load_file


@pytest.fixture
def convert(capsys):
    def run(*arguments):
        code = run_main(convert_cfm_checkpoint.main, "convert", [str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return run


def checkpoint(path, changes, prefixes=("model.net.", "ema_model.ema_model.net.")):
    """A trainer checkpoint whose online weights are twice its EMA weights."""
    tensors, config = cfm_formula.formula_cfm(cfm_formula.SMALL | changes)
    state = {"ema_model.step": torch.tensor(7), "ema_model.initted": torch.tensor(True), "first_stage.x": torch.ones(1)}
    for scale, prefix in zip((2, 1), prefixes, strict=False):
        state |= {prefix + name: scale * tensor for name, tensor in tensors.items()}
    torch.save({"epoch": 3, "global_step": 100, "state_dict": state, "optimizer_states": [{"state": {}}]}, path)
    return tensors, config


@pytest.mark.parametrize(("weights", "scale"), [("ema", 1), ("online", 2)])
def test_the_chosen_weights_have_their_published_names(convert, tmp_path, weights, scale):
    tensors, config = checkpoint(tmp_path / "a.ckpt", {})
    code, text = convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors", "--weights", weights, "--num-heads", 2)
    assert code == 0, text
    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], scale * tensor) for name, tensor in tensors.items())
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["config"]) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"conv_resample": False, "use_scale_shift_norm": False},
        {"attention_resolutions": [], "channel_mult": [1, 2, 4], "num_res_blocks": 2},
        {"attention_resolutions": [1, 4], "channel_mult": [1, 1, 2]},
        {"pool_factor": 2},
        {"in_channels": 16, "out_channels": 16},
        {"channel_mult": [1], "attention_resolutions": [1]},
    ],
)
def test_the_configuration_is_inferred_from_the_shapes(convert, tmp_path, changes):
    _, config = checkpoint(tmp_path / "a.ckpt", changes)
    code, text = convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors", "--num-heads", 2)
    assert code == 0, text
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["config"]) == config


def test_what_shapes_cannot_tell_comes_from_options_or_a_file(convert, tmp_path):
    checkpoint(tmp_path / "a.ckpt", {})
    (tmp_path / "c.json").write_text(json.dumps({"num_heads": 1, "dropout": 0.1}))
    code, text = convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors", "--config", tmp_path / "c.json",
                         "--linear-attention", "--noising-step", 0)  # fmt: skip
    assert code == 0, text
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        config, step = json.loads(file.metadata()["config"]), file.metadata()["noising_step"]
    assert (config["num_heads"], config["dim_head"], config["use_linear_attn"]) == (1, 32, True)
    assert config["dropout"] == 0.1 and step == "0"


def test_a_configuration_that_contradicts_the_shapes_is_rejected(convert, tmp_path):
    checkpoint(tmp_path / "a.ckpt", {})
    (tmp_path / "c.json").write_text(json.dumps({"channel_mult": [1, 4]}))
    code, text = convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors", "--config", tmp_path / "c.json")
    assert code == 4 and "a.ckpt" in text and "must be [" in text and len(text.splitlines()) == 1


def test_a_checkpoint_with_code_is_rejected_without_running_it(convert, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": {}, "hyper_parameters": Evil()}, tmp_path / "a.ckpt")
    code, text = convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors")
    assert code == 4 and "contains more than tensors" in text and len(text.splitlines()) == 1
    assert not (tmp_path / "ran").exists() and not (tmp_path / "a.safetensors").exists()


def test_invalid_checkpoints_are_reported(convert, tmp_path):
    target = tmp_path / "a.safetensors"
    torch.save({"weights": {}}, tmp_path / "a.ckpt")
    assert convert(tmp_path / "a.ckpt", "-o", target)[0] == 4
    checkpoint(tmp_path / "a.ckpt", {}, prefixes=("model.net.",))
    code, text = convert(tmp_path / "a.ckpt", "-o", target)
    assert code == 4 and "--weights online" in text
    (tmp_path / "a.ckpt").write_bytes((tmp_path / "a.ckpt").read_bytes()[:1000])
    code, text = convert(tmp_path / "a.ckpt", "-o", target, "--weights", "online")
    assert code == 4 and "a.ckpt" in text and len(text.splitlines()) == 1
    assert convert(tmp_path / "no.ckpt", "-o", target)[0] == 2
    assert convert(tmp_path / "a.ckpt", "-o", tmp_path / "a.pt")[0] == 2
    assert not target.exists()


def test_an_existing_file_is_replaced_only_with_force(convert, tmp_path):
    checkpoint(tmp_path / "a.ckpt", {})
    target = tmp_path / "a.safetensors"
    target.write_text("old")
    arguments = (tmp_path / "a.ckpt", "-o", target, "--num-heads", 2)
    assert convert(*arguments)[0] == 1 and target.read_text() == "old"
    assert convert(*arguments, "--force")[0] == 0 and len(load_file(target)) > 10
