"""Upscaled images are the same images."""

import numpy as np
import pytest
from images import photograph, pixels, ramp, reduced
from PIL import Image


@pytest.mark.parametrize("gray", [0, 60, 128, 200, 255])
def test_a_solid_gray_stays_that_gray(fmboost, gray):
    Image.new("RGB", (48, 32), (gray, gray, gray)).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png")
    found = pixels(fmboost.folder / "b.png")
    assert found.shape == (64, 96, 3)
    assert abs(found.mean((0, 1)) - gray).max() <= 1
    assert abs(found - gray).max() <= 6


@pytest.fixture(scope="module")
def photo(shared):
    """A photograph, reduced, and upscaled again by the binary and by Pillow."""
    original = photograph(320, 240)
    small = original.resize((160, 120), Image.Resampling.BICUBIC)
    small.save(shared.folder / "small.png")
    shared.upscale("small.png", "--flow-steps", 2, "-o", "big.png", "--threads", 2)
    bicubic = small.resize(original.size, Image.Resampling.BICUBIC)
    return small, pixels(shared.folder / "big.png"), np.asarray(original).astype(int), np.asarray(bicubic).astype(int)


def psnr(a, b):
    return 10 * np.log10(255**2 / ((a - b) ** 2).mean())


def test_a_photograph_keeps_its_colors(photo, shared):
    small, big, _, _ = photo
    assert abs(big.mean((0, 1)) - np.asarray(small).mean((0, 1))).max() < 1
    assert abs(reduced(shared.folder / "big.png", small.size) - small).mean() < 3


def test_a_photograph_is_nearer_to_its_original_than_bicubic(photo):
    _, big, original, bicubic = photo
    assert psnr(big, original) > psnr(bicubic, original) > 20


def test_back_projection_brings_the_source_back(fmboost):
    photograph(96, 64).save(fmboost.folder / "a.png")
    source = pixels(fmboost.folder / "a.png")
    errors = []
    for rounds in (0, 2, 8):
        fmboost.upscale("a.png", "--back-project", rounds, "-o", f"{rounds}.png")
        small = Image.open(fmboost.folder / f"{rounds}.png").resize((96, 64), Image.Resampling.BICUBIC)
        errors.append(abs(np.asarray(small).astype(int) - source).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1


def test_fidelity_keeps_the_source(fmboost):
    photograph(96, 64).save(fmboost.folder / "a.png")
    source = pixels(fmboost.folder / "a.png")
    errors = []
    for fidelity in (0, 0.5, 1):
        fmboost.upscale("a.png", "--fidelity", fidelity, "-o", f"{fidelity}.png")
        small = Image.open(fmboost.folder / f"{fidelity}.png").resize((96, 64), Image.Resampling.BICUBIC)
        errors.append(abs(np.asarray(small).astype(int) - source).mean())
    assert errors[0] > errors[1] > errors[2]
    fmboost.upscale("a.png", "--fidelity", 0, "--back-project", 2, "--flow-noise", 0, "-o", "said.png")
    fmboost.upscale("a.png", "--fidelity", 1, "-o", "dialled.png")
    assert (fmboost.folder / "said.png").read_bytes() == (fmboost.folder / "dialled.png").read_bytes()


@pytest.mark.parametrize("fix", ["none", "adain", "wavelet"])
def test_color_fixes_do_not_harm(fmboost, fix):
    ramp(40, 30).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "--color-fix", fix, "-o", "b.png")
    assert abs(reduced(fmboost.folder / "b.png", (40, 30)) - ramp(40, 30)).mean() < 4


def test_the_same_command_gives_the_same_bytes(fmboost):
    ramp(40, 30).save(fmboost.folder / "a.png")
    for name in ("b.png", "c.png"):
        fmboost.upscale("a.png", "--flow-noise", 200, "-o", name)
    fmboost.upscale("a.png", "--flow-noise", 200, "--seed", 7, "-o", "d.png")
    content = [(fmboost.folder / name).read_bytes() for name in ("b.png", "c.png", "d.png")]
    assert content[0] == content[1] != content[2]


def test_a_single_pixel_keeps_its_color(fmboost):
    Image.new("RGB", (1, 1), (200, 100, 50)).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.png")
    assert abs(pixels(fmboost.folder / "b.png") - (200, 100, 50)).max() <= 6


def test_each_of_a_folder_is_what_it_is_alone(fmboost):
    (fmboost.folder / "in").mkdir()
    for i in range(3):
        ramp(20 + 4 * i, 10 + i).save(fmboost.folder / "in" / f"{i}.png")
    assert fmboost.upscale("in", "-o", "out/").lines == ["out/0.png", "out/1.png", "out/2.png"]
    fmboost.upscale("in/2.png", "-o", "alone.png")
    assert (fmboost.folder / "out" / "2.png").read_bytes() == (fmboost.folder / "alone.png").read_bytes()
