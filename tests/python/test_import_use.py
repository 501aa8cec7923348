"""Imported models generate the same images as diffusers; errors name the file and the tensor."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import CLIP, LCM
from diffusers import AutoencoderTiny, LatentConsistencyModelPipeline, StableDiffusionPipeline
from fmboost_export.random_models import save_folder
from import_models import description, make_components, save_single
from ldm_layout import to_ldm
from safetensors.torch import load_file, save_file

PROMPT = "a Red fox, jumping over 2 lazy dogs' fence -- at dusk (très joli)"
LATENT_ERROR = 1e-3  # of the largest value


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An LCM with guidance embedding, as a folder and as a file in the original layout."""
    base = tmp_path_factory.mktemp("use")
    components = make_components(3, guidance_embedding=32)
    save_folder(components, LCM, CLIP, base / "folder")
    return base / "folder", save_single(components, base / "single.safetensors")


@pytest.fixture
def draw(fmboost, tmp_path):
    """Runs `generate` at low resolution; returns its latent and stderr."""

    def run(model, *arguments):
        done = fmboost("generate", "-m", model, "-p", PROMPT, "-s", 7, "--size", "64x96", "--no-upscale", "--force",
                       "--save-intermediates", tmp_path / "i", "-o", tmp_path / "out.png", *arguments)  # fmt: skip
        return load_file(tmp_path / "i" / "out_low_latent.safetensors")["latent"], done.stderr

    return run


def diffusers_latent(folder, kind, **options):
    pipe = kind.from_pretrained(folder, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(7)
    return pipe(PROMPT, width=64, height=96, output_type="latent", generator=generator, **options).images


def error(found, expected):
    assert found.shape == expected.shape and torch.isfinite(found).all()
    return ((found - expected).abs().max() / expected.abs().max()).item()


def test_an_imported_lcm_equals_diffusers(model, run_import, draw, tmp_path):
    assert run_import(model[0], "-o", tmp_path / "bundle").returncode == 0
    expected = diffusers_latent(model[0], LatentConsistencyModelPipeline, num_inference_steps=4, guidance_scale=8.5)
    assert error(draw(tmp_path / "bundle")[0], expected) < LATENT_ERROR


def test_native_and_torchscript_networks_agree(model, run_import, run_export, draw, tmp_path):
    assert run_import(model[1], "-o", tmp_path / "native").returncode == 0
    code, text = run_export("--model", model[0], "-o", tmp_path / "exported")
    assert code == 0, text
    latents = [draw(tmp_path / name)[0] for name in ("native", "exported")]
    assert error(*latents) < LATENT_ERROR


def test_a_merged_lora_equals_diffusers(run_import, draw, tmp_path):
    from test_import_lora import LINEAR, kohya

    components = make_components(4)
    save_folder(components, {"_class_name": "DDIMScheduler"}, CLIP, tmp_path / "model")
    save_file(kohya(components, LINEAR), tmp_path / "lora.safetensors")
    done = run_import(tmp_path / "model", "-o", tmp_path / "bundle", "--lora", f"{tmp_path}/lora.safetensors:2")
    assert done.returncode == 0, done.stderr
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "model", safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "guidance_scale": 4.0, "width": 64, "height": 96, "output_type": "latent"}
    results = []
    for with_lora in (False, True):
        if with_lora:
            pipe.load_lora_weights(str(tmp_path), weight_name="lora.safetensors", local_files_only=True)
            pipe.fuse_lora(lora_scale=2.0)
        results.append(pipe(PROMPT, generator=torch.Generator("cpu").manual_seed(7), **options).images)
    found, _ = draw(tmp_path / "bundle", "--steps", 3, "--guidance", 4)
    assert error(found, results[1]) < LATENT_ERROR
    assert error(results[0], results[1]) > 10 * LATENT_ERROR


def test_a_tiny_autoencoder_equals_diffusers(model, run_import, draw, tmp_path):
    torch.manual_seed(6)
    tiny = AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4)
    tiny.save_pretrained(tmp_path / "taesd")
    assert run_import(model[1], "-o", tmp_path / "bundle", "--vae", tmp_path / "taesd").returncode == 0
    latent, _ = draw(tmp_path / "bundle")
    from PIL import Image

    found = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    expected = tiny.decode(latent).sample.clamp(-1, 1).add(1).mul(127.5).round()[0].permute(1, 2, 0).numpy().astype(int)
    assert abs(found - expected).max() <= 1


def test_inspect_verifies_an_imported_bundle(model, run_import, fmboost, tmp_path):
    run_import(model[1], "-o", tmp_path / "bundle")
    done = fmboost("inspect", tmp_path / "bundle", "--verify")
    assert "tensors of denoiser.safetensors" in done.stdout


# --- a checkpoint named as a model


def test_a_checkpoint_is_imported_only_once(model, run_import, draw, tmp_path):
    run_import(model[1], "-o", tmp_path / "bundle")
    first, said = draw(model[1])
    second, again = draw(model[1])
    assert "used for the first time" in said and "used for the first time" not in again
    assert torch.equal(first, second) and torch.equal(first, draw(tmp_path / "bundle")[0])
    bundles = list((tmp_path / "cache" / "fmboost" / "imports").iterdir())
    assert len(bundles) == 1 and description(bundles[0])["name"] == "single"


def test_another_file_of_the_same_name_is_another_model(draw, tmp_path):
    file = tmp_path / "model.safetensors"
    latents = []
    for seed in (3, 4):
        save_single(make_components(seed), file)
        latents.append(draw(file, "--steps", 1)[0])
    assert not torch.equal(*latents)
    assert len(list((tmp_path / "cache" / "fmboost" / "imports").iterdir())) == 2


def test_least_recently_used_bundles_are_evicted(draw, tmp_path, monkeypatch):
    files = [save_single(make_components(seed), tmp_path / f"{seed}.safetensors") for seed in (3, 4, 5)]
    draw(files[0], "--steps", 1)
    size = sum(file.stat().st_size for file in (tmp_path / "cache" / "fmboost" / "imports").rglob("*") if file.is_file())
    monkeypatch.setenv("FMBOOST_IMPORT_CACHE_GIB", str(2.5 * size / 2**30))
    draw(files[1], "--steps", 1)
    draw(files[0], "--steps", 1)
    _, said = draw(files[2], "--steps", 1)
    assert "the bundle takes" in said and "removed" in said
    assert "used for the first time" not in draw(files[0], "--steps", 1)[1]
    assert "used for the first time" in draw(files[1], "--steps", 1)[1]
    assert len(list((tmp_path / "cache" / "fmboost" / "imports").iterdir())) == 2


def test_a_limit_that_is_not_a_number_is_rejected(model, fmboost, tmp_path, monkeypatch):
    monkeypatch.setenv("FMBOOST_IMPORT_CACHE_GIB", "much")
    done = fmboost("generate", "-m", model[1], "-p", "x", "-o", tmp_path / "out.png", check=False)
    assert done.returncode == 2 and "FMBOOST_IMPORT_CACHE_GIB" in done.stderr and "'much'" in done.stderr


# --- what is refused


@pytest.fixture
def refused(run_import, tmp_path):
    def run(source, *arguments):
        done = run_import(source, "-o", tmp_path / "bundle", *arguments)
        assert done.returncode == 4, done.stderr
        assert not (tmp_path / "bundle").exists()
        return done.stderr

    return run


@pytest.fixture
def single():
    return to_ldm(**make_components(3))


def test_a_missing_tensor_is_reported(single, refused, tmp_path):
    del single["model.diffusion_model.middle_block.0.in_layers.2.weight"]
    del single["cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc2.bias"]
    save_file(single, tmp_path / "model.safetensors")
    err = refused(tmp_path / "model.safetensors")
    assert "model.safetensors" in err and "mid_block.resnets.0.conv1.weight" in err and "missing (1)" in err


def test_a_tensor_with_a_wrong_shape_is_reported_with_its_name_in_the_file(single, refused, tmp_path):
    name = "first_stage_model.decoder.mid.block_1.conv1.weight"
    single[name] = single[name][:, :5].clone()
    save_file(single, tmp_path / "model.safetensors")
    assert name in refused(tmp_path / "model.safetensors")


def test_an_unknown_tensor_is_reported(single, refused, tmp_path):
    save_file(single | {"model.diffusion_model.extra.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert "extra.weight" in refused(tmp_path / "model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_reported(single, refused, tmp_path, value):
    name = "model.diffusion_model.out.2.weight"
    single[name][0, 0, 0, 0] = value
    save_file(single, tmp_path / "model.safetensors")
    err = refused(tmp_path / "model.safetensors")
    assert name in err and "NaN or infinity" in err


def test_weights_that_overflow_the_dtype_are_reported(single, refused, tmp_path):
    single["first_stage_model.decoder.conv_out.bias"][0] = 1e6
    save_file(single, tmp_path / "model.safetensors")
    assert "too large for float16" in refused(tmp_path / "model.safetensors", "--dtype", "float16")


def test_weights_of_an_unsupported_type_are_reported(single, refused, tmp_path):
    name = "model.diffusion_model.out.2.bias"
    single[name] = single[name].to(torch.int64)
    save_file(single, tmp_path / "model.safetensors")
    assert name in refused(tmp_path / "model.safetensors")


def test_a_model_without_an_autoencoder_needs_one(single, refused, run_import, model, tmp_path):
    bare = {name: x for name, x in single.items() if not name.startswith("first_stage_model.")}
    save_file(bare, tmp_path / "model.safetensors")
    assert "--vae" in refused(tmp_path / "model.safetensors")
    done = run_import(tmp_path / "model.safetensors", "-o", tmp_path / "bundle", "--vae", model[1])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("unet/config.json", b"{", "unet/config.json"),
        ("unet/config.json", b'{"block_out_channels": "many"}', "_class_name"),
        ("vae/diffusion_pytorch_model.safetensors", b"", "only 0 bytes"),
        ("text_encoder/config.json", b"{}", "model_type"),
        ("tokenizer/vocab.json", b'{"a": "b"}', "whole numbers"),
        ("scheduler/scheduler_config.json", b'{"_class_name": "FlowMatchHeunDiscreteScheduler"}', "scheduler_config.json"),
        ("scheduler/scheduler_config.json", b'{"_class_name": "DDIMScheduler", "beta_start": "low"}', "beta_start"),
        ("unet/diffusion_pytorch_model.safetensors", None, "contains no weights"),
        ("vae", None, "no vae"),
        ("tokenizer/merges.txt", None, "no CLIP tokenizer"),
        ("scheduler/scheduler_config.json", None, "no scheduler/scheduler_config.json"),
    ],
)
def test_errors_of_a_damaged_or_incomplete_folder_name_the_file(model, refused, tmp_path, file, content, said):
    folder = shutil.copytree(model[0], tmp_path / "copy")
    if content is not None:
        (folder / file).write_bytes(content)
    elif (folder / file).is_dir():
        shutil.rmtree(folder / file)
    else:
        (folder / file).unlink()
    assert said in refused(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cross_attention_dim": 32}, "cross_attention_dim"),
        ({"norm_num_groups": 16, "act_fn": "mish"}, "act_fn"),
        ({"addition_embed_type": "text_time"}, "addition_embed_type"),
        ({"layers_per_block": 2}, "missing"),
    ],
)
def test_a_mismatched_configuration_is_rejected(model, refused, tmp_path, change, said):
    folder = shutil.copytree(model[0], tmp_path / "copy")
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps(config | change))
    assert said in refused(folder)


@pytest.mark.parametrize("zip_archive", [True, False])
def test_files_of_torch_save_are_imported(single, run_import, tmp_path, zip_archive):
    torch.save({"state_dict": single, "epoch": 3}, tmp_path / "model.ckpt", _use_new_zipfile_serialization=zip_archive)
    assert run_import(tmp_path / "model.ckpt", "-o", tmp_path / "bundle").returncode == 0


def test_pickles_that_would_run_code_are_refused_by_name(refused, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": {"x": Evil()}}, tmp_path / "model.ckpt")
    assert "open" in refused(tmp_path / "model.ckpt") and not (tmp_path / "ran").exists()


# --- any size that the autoencoder divides


@pytest.mark.parametrize("size", [(72, 104), (40, 96)])
def test_sizes_that_the_levels_do_not_divide_equal_diffusers(run_import, fmboost, tmp_path, size):
    """Three levels: the UNet halves the latent's odd sides twice."""
    components = make_components(
        5, block_out_channels=[32, 32, 64],
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    )  # fmt: skip
    save_folder(components, {"_class_name": "DDIMScheduler"}, CLIP, tmp_path / "model")
    assert run_import(tmp_path / "model", "-o", tmp_path / "bundle").returncode == 0
    factor = 2 ** (len(components["vae"].config.block_out_channels) - 1)
    assert description(tmp_path / "bundle")["denoiser"]["size_multiple"] == factor
    width, height = (side // 8 * factor for side in size)  # the latents that an autoencoder of factor 8 has
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "model", safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "guidance_scale": 4.0, "width": width, "height": height, "output_type": "latent"}
    pipe.vae_scale_factor = factor
    latents = torch.randn(1, 4, size[1] // 8, size[0] // 8, generator=torch.Generator("cpu").manual_seed(7))
    expected = pipe(PROMPT, latents=latents, **options).images
    fmboost("generate", "-m", tmp_path / "bundle", "-p", PROMPT, "-s", 7, "--size", f"{width}x{height}", "--no-upscale",
            "--steps", 3, "--guidance", 4, "--save-intermediates", tmp_path / "i", "-o", tmp_path / "out.png")  # fmt: skip
    assert error(load_file(tmp_path / "i" / "out_low_latent.safetensors")["latent"], expected) < LATENT_ERROR


# --- what training and other programs leave in a model


def test_settings_of_training_are_ignored_by_name(model, run_import, tmp_path):
    folder = shutil.copytree(model[0], tmp_path / "copy")
    file = folder / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"decay": 0.9999, "inv_gamma": 1.0, "optimization_step": 20000}))
    scheduler = {"_class_name": "DEISMultistepScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    done = run_import(folder, "-o", tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    assert "decay, inv_gamma, optimization_step" in done.stderr and "DEISMultistepScheduler" in done.stderr
    assert description(tmp_path / "bundle")["denoiser"]["default_sampler"] == "dpm++2m"
    done = run_import(folder, "-o", tmp_path / "chosen", "--sampler", "euler")
    assert "DEIS" not in done.stderr
    assert description(tmp_path / "chosen")["denoiser"]["default_sampler"] == "euler"


def test_marks_of_a_file_and_odd_names_are_read(single, run_import, tmp_path):
    text = {"cond_stage_model.transformer.text_projection.weight": torch.eye(64), "cond_stage_model.logit_scale": torch.tensor(4.6)}
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    save_file(single | text | marks, tmp_path / "model.safetensors")
    name = os.fsencode(tmp_path) + b"/b\xfcro.safetensors"
    os.rename(tmp_path / "model.safetensors", name)
    done = run_import(os.fsdecode(name), "-o", tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    entry = description(tmp_path / "bundle")["denoiser"]
    assert entry["prediction"] == "v_prediction"
    assert entry["schedule"]["rescale_betas_zero_snr"] is True and entry["schedule"]["timestep_spacing"] == "trailing"
    assert description(tmp_path / "bundle")["name"] == "b\ufffdro"


def test_a_yaml_beside_a_file_is_read(single, run_import, tmp_path):
    save_file(single, tmp_path / "model.safetensors")
    (tmp_path / "model.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    done = run_import(tmp_path / "model.safetensors", "-o", tmp_path / "bundle")
    assert done.returncode == 0 and "model.yaml" in done.stderr, done.stderr
    assert description(tmp_path / "bundle")["denoiser"]["prediction"] == "v_prediction"


def test_a_file_of_averaged_weights_only_is_named(single, refused, tmp_path):
    tensors = {name: x for name, x in single.items() if not name.startswith("model.")}
    tensors["model_ema.diffusion_modelinput_blocks00weight"] = torch.zeros(4)
    save_file(tensors, tmp_path / "model.safetensors")
    assert "only the averaged weights" in refused(tmp_path / "model.safetensors")


@pytest.mark.parametrize(("config", "said"), [({"scaling_factor": 0.13025}, "XL"), ({"latent_channels": 16}, "16")])
def test_autoencoders_of_other_families_are_refused(model, refused, tmp_path, config, said):
    folder = shutil.copytree(model[0] / "vae", tmp_path / "vae")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    assert said in refused(model[1], "--vae", folder)
