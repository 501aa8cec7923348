"""The comparison without the other programs: its metrics against scikit-image, and what it does around an upscaler."""

import importlib
import py_compile
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
compare = importlib.import_module("compare")
metrics = importlib.import_module("metrics")


@pytest.fixture
def pair():
    random = np.random.default_rng(7)
    image = random.integers(0, 256, (40, 56, 3), np.uint8)
    return image, (image * 0.9 + random.integers(0, 20, image.shape)).astype(np.uint8)


@pytest.mark.parametrize("name", ["compare.py", "metrics.py", "realesrgan.py"])
def test_scripts_compile(name, tmp_path):
    py_compile.compile(str(HERE / name), cfile=str(tmp_path / "compiled.pyc"), doraise=True)


def test_run_is_valid_bash():
    subprocess.run(["bash", "-n", str(HERE / "run")], check=True)


def test_luma_spans_16_to_235():
    colors = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert metrics.luma(colors)[0] == pytest.approx([16.0, 235.0, 81.481])


def test_psnr_equals_scikit_image(pair):
    a, b = map(metrics.luma, pair)
    assert metrics.psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))
    assert metrics.psnr(a, a) == float("inf")


def test_ssim_equals_scikit_image(pair):
    a, b = map(metrics.luma, pair)
    _, full = structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True)
    assert metrics.ssim(a, b) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-10)
    assert metrics.ssim(a, a) == pytest.approx(1.0)


def test_originals_are_cut_to_multiples_of_the_scale(tmp_path):
    Image.new("L", (43, 38)).save(tmp_path / "a.png")
    assert compare.read_original(tmp_path / "a.png", 0).size == (40, 36)
    assert compare.read_original(tmp_path / "a.png", 20).size == (20, 20)


def test_every_method_is_measured_against_the_original(tmp_path, pair):
    Image.fromarray(pair[0]).save(tmp_path / "photo.png")
    nearest = "import sys; from PIL import Image; i = Image.open(sys.argv[1]); i.resize((i.width * 4, i.height * 4), 0).save(sys.argv[2])"
    commands = {"bicubic": None, "nearest": lambda small, large: [sys.executable, "-c", nearest, small, large]}
    results = compare.measure(compare.find_images([tmp_path]), commands, 0, None)

    small = Image.fromarray(pair[0]).resize((14, 10), Image.Resampling.BICUBIC)
    expected = small.resize((56, 40), Image.Resampling.NEAREST)
    (psnr, ssim, seconds, cpu, memory), = results["nearest"]
    assert (psnr, ssim) == compare.quality(expected, Image.fromarray(pair[0]))
    assert seconds > 0 and cpu > 0 and memory > 1e6
    rows = compare.table(results).splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["bicubic", "nearest"]


def test_a_failing_program_ends_the_comparison():
    with pytest.raises(SystemExit, match="exit code 3"):
        compare.run_measured([sys.executable, "-c", "raise SystemExit(3)"])
