"""export_bundle.py: adapters, couplings, atomic output and one-line errors."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from diffusers import UNet2DConditionModel
from fmboost_export import cfm_formula
from fmboost_export.cfm import read_cfm, write_cfm
from safetensors import safe_open
from safetensors.torch import load_file, save_file

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TEXT = "encoder.layers.0.self_attn."


def factors(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 32, generator=generator) / 4, torch.randn(32, 4, generator=generator) / 4


def diffusers_lora():
    (down, up), (text_down, text_up) = factors(0), factors(1)
    text = f"text_encoder.text_model.{TEXT}out_proj"
    return {
        f"unet.{LAYER}.lora_A.weight": down, f"unet.{LAYER}.lora_B.weight": up,
        f"{text}.lora_A.weight": text_down, f"{text}.lora_B.weight": text_up,
    }, 1.0  # fmt: skip


def kohya_lora():
    (down, up), (text_down, text_up) = factors(0), factors(1)
    unet = "lora_unet_" + LAYER.replace(".", "_")
    text = "lora_te_text_model_" + (TEXT + "out_proj").replace(".", "_")
    alpha = torch.tensor(2.0)  # scales by alpha / rank
    return {
        f"{unet}.lora_down.weight": down, f"{unet}.lora_up.weight": up, f"{unet}.alpha": alpha,
        f"{text}.lora_down.weight": text_down, f"{text}.lora_up.weight": text_up, f"{text}.alpha": alpha.clone(),
    }, 0.5  # fmt: skip


@pytest.mark.parametrize("make", [diffusers_lora, kohya_lora])
def test_a_lora_is_fused_with_its_weight(models, run_export, tmp_path, make):
    tensors, scale = make()
    save_file(tensors, tmp_path / "lora.safetensors")
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "b", "--lora",
                            f"{tmp_path}/lora.safetensors:0.7", "--sampler", "lcm")  # fmt: skip
    assert code == 0, text
    down, up = factors(0)
    unet = UNet2DConditionModel.from_pretrained(models.folder("ddim"), subfolder="unet", local_files_only=True)
    unet.get_submodule(LAYER).weight += 0.7 * scale * up @ down
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([500.0]), torch.randn(1, 77, 32)
    module = torch.jit.load(str(tmp_path / "b" / "denoiser.pt"))
    torch.testing.assert_close(module(*inputs), unet(*inputs).sample, rtol=1e-4, atol=1e-5)
    ids = torch.randint(0, 49408, (1, 77))
    plain, fused = (torch.jit.load(str(b / "text_encoder.pt"))(ids) for b in (models.bundle("ddim"), tmp_path / "b"))
    assert (plain - fused).abs().max() > 1e-3
    denoiser = json.loads((tmp_path / "b" / "bundle.json").read_text())["denoiser"]
    assert [denoiser[f"default_{key}"] for key in ("sampler", "steps", "guidance")] == ["lcm", 4, 1.0]


@pytest.mark.parametrize("change", ["unknown", "shape", "none", "missing", "weight"])
def test_a_lora_that_does_not_fit_is_rejected(models, run_export, tmp_path, change):
    tensors, _ = kohya_lora()
    lora = tmp_path / "lora.safetensors"
    if change == "unknown":
        tensors["lora_unet_nowhere.lora_down.weight"], tensors["lora_unet_nowhere.lora_up.weight"] = factors(2)
    if change == "shape":
        name = next(name for name in tensors if name.startswith("lora_unet") and "down." in name)
        tensors[name] = tensors[name][:, :3].clone()
    save_file({"other": torch.zeros(1)} if change == "none" else tensors, lora)
    name = {"missing": f"{lora}-not", "weight": f"{lora}:much"}.get(change, lora)
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "b", "--lora", name)
    assert code == (2 if change in ("missing", "weight") else 4)
    assert "lora.safetensors" in text and len(text.splitlines()) == 1
    assert not (tmp_path / "b").exists()


# --- couplings


def test_a_coupling_has_the_published_settings(models):
    coupling = json.loads((models.bundle("lcm") / "bundle.json").read_text())["couplings"]
    assert len(coupling) == 1
    coupling = coupling[0]
    assert (coupling["factor"], coupling["path"], coupling["upsampling"]) == (2, "linear", "pixel")
    assert (coupling["solver"], coupling["steps"]) == ("euler", 4)
    assert coupling["noising_step"] == 0  # from this file
    assert coupling["network"] == {
        "in_channels": 8, "model_channels": 32, "out_channels": 4, "num_res_blocks": 1, "attention_resolutions": [2],
        "dropout": 0.0, "channel_mult": [1, 2], "conv_resample": True, "dim_head": 16, "num_heads": 2,
        "use_linear_attn": False, "use_scale_shift_norm": True, "pool_factor": -1,
    }  # fmt: skip
    stored, given = load_file(models.bundle("lcm") / coupling["file"]), load_file(models.cfm())
    assert stored.keys() == given.keys() and all(torch.equal(stored[name], given[name]) for name in given)


def test_one_network_can_serve_several_factors(models, run_export, tmp_path):
    write_cfm(tmp_path / "plain.safetensors", *cfm_formula.formula_cfm(cfm_formula.SMALL))
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "b", "--cfm",
                            tmp_path / "plain.safetensors", "--cfm-factor", 4, "--cfm-factor", 2,
                            "--dtype", "float16")  # fmt: skip
    assert code == 0, text
    couplings = json.loads((tmp_path / "b" / "bundle.json").read_text())["couplings"]
    assert [coupling["factor"] for coupling in couplings] == [2, 4]
    assert {coupling["noising_step"] for coupling in couplings} == {400}
    assert len({coupling["file"] for coupling in couplings}) == 1
    stored = load_file(tmp_path / "b" / couplings[0]["file"])
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}


@pytest.mark.parametrize(("least", "largest"), [(0, 300), (100, None)])
def test_a_coupling_keeps_its_range_of_noising_steps(models, run_export, tmp_path, least, largest):
    """A coupling that was not trained from step 0 on has no range in the bundle."""
    tensors = cfm_formula.formula_cfm(cfm_formula.SMALL)
    write_cfm(tmp_path / "ranged.safetensors", *tensors, noising_step=least, noising_step_max=300)
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "b", "--cfm", tmp_path / "ranged.safetensors")
    assert code == 0, text
    (coupling,) = json.loads((tmp_path / "b" / "bundle.json").read_text())["couplings"]
    assert (coupling["noising_step"], coupling.get("noising_step_max")) == (least, largest)
    with safe_open(tmp_path / "b" / coupling["file"], framework="pt") as file:
        assert file.metadata().get("noising_step_max") == (str(largest) if largest else None)


def test_writing_a_coupling_is_deterministic(tmp_path):
    """A bundle contains the hashes of its files, so the order of the metadata must be fixed."""
    bundled = ROOT / "models" / "default" / "cfm-2-4x.safetensors"
    tensors, config, noise = read_cfm(bundled, latent_channels=16)
    write_cfm(tmp_path / "again.safetensors", tensors, config, **noise)
    assert (tmp_path / "again.safetensors").read_bytes() == bundled.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("latents", "is for other latents"),
        ("config", "no network configuration"),
        ("missing tensor", "time_embed.0.bias is missing"),
        ("unknown option", "'levels' is not an option"),
        ("truncated", "not a readable safetensors file"),
    ],
)
def test_a_coupling_that_does_not_fit_is_rejected_early(models, run_export, tmp_path, change, message):
    path = tmp_path / "cfm.safetensors"
    shape = cfm_formula.SMALL | ({"in_channels": 32, "out_channels": 16} if change == "latents" else {})
    tensors, config = cfm_formula.formula_cfm(shape)
    if change == "missing tensor":
        del tensors["time_embed.0.bias"]
    if change == "unknown option":
        config["levels"] = 2
    write_cfm(path, tensors, config)
    if change == "config":
        save_file(tensors, path)
    if change == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "b", "--cfm", path)
    assert code == 4 and message in text and "cfm.safetensors" in text and len(text.splitlines()) == 1
    assert not (tmp_path / "b").exists()


# --- manners


def test_an_existing_bundle_is_replaced_only_with_force(models, run_export, tmp_path):
    target = tmp_path / "b"
    arguments = ("--model", models.folder("ddim"), "-o", target)
    target.mkdir()
    (target / "bundle.json").write_text("old")
    code, text = run_export(*arguments)
    assert code == 1 and "--force" in text and (target / "bundle.json").read_text() == "old"
    code, text = run_export(*arguments, "--force", "--name", "new one", "--license", "MIT")
    entry = json.loads((target / "bundle.json").read_text())
    assert code == 0 and (entry["name"], entry["license"]) == ("new one", "MIT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_force_never_replaces_a_folder_that_is_not_a_bundle(models, run_export, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "holiday.png").write_text("dear")
    code, text = run_export("--model", models.folder("ddim"), "-o", tmp_path / "images", "--force")
    assert code == 1 and "not replaced" in text and (tmp_path / "images" / "holiday.png").exists()


def test_a_failed_export_leaves_the_old_bundle_and_nothing_else(models, run_export, tmp_path, monkeypatch):
    import fmboost_export.export as export

    target = tmp_path / "b"
    target.mkdir()
    (target / "bundle.json").write_text("old")

    def disk_full(*arguments):
        raise OSError(28, "No space left on device", "tokenizer")

    monkeypatch.setattr(export, "tokenizer_entry", disk_full)
    code, text = run_export("--model", models.folder("ddim"), "-o", target, "--force")
    assert code == 1 and "No space left" in text
    assert (target / "bundle.json").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--model", "nowhere", "-o", "b"), 2, "'nowhere' does not exist"),
        (("--model", ".", "-o", "b"), 4, "has no unet/config.json"),
        (("--model", "weights.ckpt", "-o", "b"), 2, "must be a diffusers folder or a .safetensors file"),
        (("--model", "empty.safetensors", "-o", "b"), 4, "not a readable safetensors file"),
        (("--model", ".", "-o", "b", "--cfm-factor", "2"), 2, "--cfm"),
        (("--model", ".", "-o", "b", "--steps", "0"), 2, "--steps must be 1 to 1000"),
        (("--model", ".", "-o", "b", "--guidance", "nan"), 2, "--guidance"),
        (("--model", "."), 2, "-o/--output"),
    ],
)
def test_errors_are_reported_in_one_line(run_export, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    for name in ("weights.ckpt", "empty.safetensors"):
        (tmp_path / name).write_bytes(b"")
    found, text = run_export(*arguments)
    assert found == code and message in text and len(text.splitlines()) == 1
    assert not (tmp_path / "b").exists()


def test_a_model_with_mismatched_components_is_rejected(models, run_export, tmp_path):
    folder = shutil.copytree(models.folder("ddim"), tmp_path / "mixed")
    config = json.loads((folder / "vae" / "config.json").read_text())
    (folder / "vae" / "config.json").write_text(json.dumps(config | {"latent_channels": 8}))
    code, text = run_export("--model", folder, "-o", tmp_path / "b")
    assert code == 4 and "must be [" in text  # the shapes already differ
    assert not (tmp_path / "b").exists()


def test_the_scripts_run_from_the_command_line_offline(tmp_path):
    """Makes a model, exports it, and checks the exit code of an error."""
    run = lambda script, *rest: subprocess.run(  # noqa: E731
        [sys.executable, ROOT / "scripts" / script, *map(str, rest)], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    made = run("make_random_sd15.py", "model", "--lcm", "--guidance-embedding", 32, "--cfm", "cfm.safetensors",
               "--dtype", "float16")  # fmt: skip
    assert made.returncode == 0, made.stderr
    done = run("export_bundle.py", "--model", "model", "-o", "bundle", "--cfm", "cfm.safetensors")
    assert done.returncode == 0 and done.stdout == "bundle\n", done.stderr
    again = run("export_bundle.py", "--model", "model", "-o", "bundle")
    assert again.returncode == 1 and again.stderr.startswith("export_bundle.py: error: 'bundle' already exists")
