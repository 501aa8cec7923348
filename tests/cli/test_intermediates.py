"""--save-intermediates: every latent and the low-resolution image."""

import numpy as np
import pytest
from bundles import CHANNELS, FACTOR
from images import pixels, size
from safetensors.numpy import load_file


def latent(fmboost, name):
    (content,) = load_file(fmboost.folder / "i" / f"{name}.safetensors").values()
    assert np.isfinite(content).all()
    assert 0.1 < content.std() < 10
    return content


def test_without_boost_there_is_one_latent_and_the_image(fmboost):
    fmboost.generate("-p", "sun", "--no-upscale", "--size", "64x32", "--save-intermediates", "i", "-o", "a.png")
    assert fmboost.names("i") == ["a_low.png", "a_low_latent.safetensors"]
    assert latent(fmboost, "a_low_latent").shape == (1, CHANNELS, 32 // FACTOR, 64 // FACTOR)
    assert np.array_equal(pixels(fmboost.folder / "i" / "a_low.png"), pixels(fmboost.folder / "a.png"))


def test_each_coupling_adds_where_it_started_and_where_it_ended(fmboost):
    fmboost.generate(
        "-p", "sun", "--base-size", "64x32", "--size", "300x150", "--save-intermediates", "i", "-o", "a.png"
    )
    names = ["context", "context_2", "high_latent", "high_latent_2", "low_latent"]
    assert fmboost.names("i") == sorted(["a_low.png", *(f"a_{name}.safetensors" for name in names)])
    assert size(fmboost.folder / "i" / "a_low.png") == (64, 32)
    for number, upscaled in {"": 4, "_2": 8}.items():
        context, high = latent(fmboost, f"a_context{number}"), latent(fmboost, f"a_high_latent{number}")
        assert context.shape == high.shape
        assert high.shape[2] >= 32 * upscaled // FACTOR
        assert high.shape[3] >= 64 * upscaled // FACTOR
        assert abs(context - high).max() > 0.01


def test_images_of_a_run_do_not_overwrite_each_other(fmboost):
    fmboost.generate("-p", "sun", "--no-upscale", "--count", 2, "--save-intermediates", "new/i")
    assert [name for name in fmboost.names("new/i") if name.endswith("png")] == [
        "fmboost_42_low.png",
        "fmboost_43_low.png",
    ]


def test_the_image_may_go_to_stdout(fmboost):
    fmboost.generate("-p", "sun", "--no-upscale", "--save-intermediates", "i", "-o", "-")
    assert fmboost.names("i") == ["stdout_low.png", "stdout_low_latent.safetensors"]


def test_they_do_not_change_the_image(fmboost):
    fmboost.generate("-p", "sun", "--base-size", 32, "-o", "a.png")
    fmboost.generate("-p", "sun", "--base-size", 32, "-o", "b.png", "--save-intermediates", "i")
    assert (fmboost.folder / "a.png").read_bytes() == (fmboost.folder / "b.png").read_bytes()


@pytest.mark.parametrize("folder", ["/proc/none", "file/i"])
def test_a_folder_that_cannot_be_made_is_refused_before_any_work(fmboost, folder):
    (fmboost.folder / "file").write_text("")
    done = fmboost.generate("-p", "sun", "--save-intermediates", folder, code=1)
    assert folder in done.err
    assert done.stages == []
    assert "filesystem error" not in done.err
    assert fmboost.names() == ["file"]
