"""Tiling: native networks equal diffusers' untiled result, TorchScript networks report that tiles are blended."""

import json

import numpy as np
import pytest
from conftest import CLIP, LCM
from fmboost_export.random_models import save_folder
from import_models import make_components
from PIL import Image
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    components = make_components(3, guidance_embedding=32)
    folder = tmp_path_factory.mktemp("tiles") / "folder"
    save_folder(components, LCM, CLIP, folder)
    return components, folder


def drawn(fmboost, bundle, folder, tile):
    """The pixels, the low-resolution latent and stderr."""
    done = fmboost("generate", "-m", bundle, "-p", "a fox", "--size", "96x160", "--no-upscale", "--tile", tile,
                   "--tile-overlap", 16, "--save-intermediates", folder / "i", "--force",
                   "-o", folder / "a.png")  # fmt: skip
    pixels = np.asarray(Image.open(folder / "a.png")).astype(int)
    return pixels, load_file(folder / "i" / "a_low_latent.safetensors")["latent"], done.stderr


def test_tiles_of_a_native_model_equal_diffusers_untiled_decoding(model, fmboost, run_import, tmp_path):
    components, folder = model
    assert run_import(folder, "-o", tmp_path / "bundle").returncode == 0
    whole, latent, _ = drawn(fmboost, tmp_path / "bundle", tmp_path, "off")
    vae = components["vae"]
    expected = vae.decode(latent / vae.config.scaling_factor).sample.detach()[0].clamp(-1, 1)
    expected = expected.add(1).mul(127.5).round().permute(1, 2, 0).numpy().astype(int)
    assert abs(whole - expected).max() <= 1
    for tile in (64, 77, 150):
        pieces, _, said = drawn(fmboost, tmp_path / "bundle", tmp_path, tile)
        assert abs(pieces - whole).max() <= 1
        assert "windows" not in said
    content = json.loads(fmboost("inspect", tmp_path / "bundle", "--json").stdout)
    assert content["autoencoder"]["tiles"] == "exact"


def test_blended_tiles_of_a_torchscript_model_are_reported(model, fmboost, run_export, tmp_path):
    code, text = run_export("--model", model[1], "-o", tmp_path / "bundle")
    assert code == 0, text
    assert "windows" not in drawn(fmboost, tmp_path / "bundle", tmp_path, "auto")[2]
    assert "tiles of 64 pixels" in drawn(fmboost, tmp_path / "bundle", tmp_path, 64)[2]
    content = json.loads(fmboost("inspect", tmp_path / "bundle", "--json").stdout)
    assert content["autoencoder"]["tiles"] == "blended windows"
