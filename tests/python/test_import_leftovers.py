"""Files and folders that hold more, or name something else, than diffusers and the original scripts write."""

import json
import os
import subprocess

import pytest
import torch
from conftest import CLIP
from fmboost_export.random_models import save_folder
from import_models import assert_tensors_equal, description, make_components, save_single
from ldm_layout import to_ldm
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def components():
    return make_components()


@pytest.fixture
def imported(run_import, tmp_path):
    def run(source, *arguments):
        done = run_import(source, "-o", tmp_path / "bundle", *arguments)
        assert done.returncode == 0, done.stderr
        return tmp_path / "bundle", done.stderr

    return run


@pytest.fixture
def folder(components, tmp_path):
    save_folder(components, {}, CLIP, tmp_path / "folder")
    return tmp_path / "folder"


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_settings_of_averaging_are_left_out_by_name(components, folder, imported):
    edit(folder / "unet" / "config.json", decay=0.9999, inv_gamma=1.0, min_decay=0.0, optimization_step=20000,
         power=0.6667, update_after_step=0, use_ema_warmup=False)  # fmt: skip
    bundle, said = imported(folder)
    assert_tensors_equal(bundle, components)
    assert "averaging" in said
    assert "inv_gamma" not in description(bundle)["denoiser"]["config"]


def test_an_unknown_scheduler_is_told_and_can_be_overruled(folder, imported):
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps({"_class_name": "DEISMultistepScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085,
                    "beta_end": 0.0123}))  # fmt: skip
    bundle, said = imported(folder)
    assert "DEISMultistepScheduler" in said and "dpm++2m" in said
    assert description(bundle)["denoiser"]["default_sampler"] == "dpm++2m"
    assert description(bundle)["denoiser"]["schedule"]["beta_end"] == 0.0123


def test_an_unknown_scheduler_is_silent_where_a_sampler_is_chosen(folder, imported):
    edit(folder / "scheduler" / "scheduler_config.json", _class_name="DEISMultistepScheduler")
    bundle, said = imported(folder, "--sampler", "euler")
    assert "DEIS" not in said
    assert description(bundle)["denoiser"]["default_sampler"] == "euler"


def test_a_projection_of_the_text_is_left_out(components, tmp_path, imported):
    more = {"cond_stage_model.transformer.text_projection.weight": torch.eye(64),
            "cond_stage_model.logit_scale": torch.tensor(4.6)}  # fmt: skip
    save_file(to_ldm(**components) | more, tmp_path / "c.safetensors")
    bundle, said = imported(tmp_path / "c.safetensors")
    assert_tensors_equal(bundle, components)
    assert "only Stable Diffusion XL uses" in said


def test_marks_of_zero_terminal_snr_are_honored(components, tmp_path, imported):
    save_file(to_ldm(**components) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, tmp_path / "v.safetensors")
    denoiser = description(imported(tmp_path / "v.safetensors")[0])["denoiser"]
    assert denoiser["prediction"] == "v_prediction"
    assert denoiser["schedule"]["rescale_betas_zero_snr"] is True
    assert denoiser["schedule"]["timestep_spacing"] == "trailing"


@pytest.mark.parametrize(("text", "prediction"), [('model:\n  params:\n    parameterization: "v"\n', "v_prediction"),
                                                  ("model:\n  params:\n    linear_start: 0.00085\n", "epsilon")])  # fmt: skip
def test_the_configuration_beside_a_file_tells_the_prediction(components, tmp_path, imported, text, prediction):
    file = save_single(components, tmp_path / "m.safetensors")
    (tmp_path / "m.yaml").write_text(text)
    bundle, said = imported(file)
    assert description(bundle)["denoiser"]["prediction"] == prediction
    assert ("m.yaml" in said) == (prediction == "v_prediction")


def test_names_of_any_bytes_are_imported(components, tmp_path, binary):
    file = save_single(components, tmp_path / "c.safetensors")
    strange = os.fsencode(tmp_path) + b"/b\xfcro.safetensors"
    os.rename(file, strange)
    subprocess.run([binary, "import", strange, "-o", tmp_path / "bundle"], capture_output=True, check=True)
    assert description(tmp_path / "bundle")["name"] == "b\ufffdro"


def test_the_autoencoder_of_xl_is_refused(folder, run_import, tmp_path):
    edit(folder / "vae" / "config.json", scaling_factor=0.13025)
    done = run_import(folder, "--vae", folder / "vae", "-o", tmp_path / "bundle")
    assert done.returncode == 4
    assert "Stable Diffusion XL" in done.stderr
