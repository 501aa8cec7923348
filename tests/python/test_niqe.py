"""`fmboost eval upscale --niqe` against an independent implementation in NumPy and SciPy."""

import json

import numpy as np
import pytest
from conftest import ROOT
from fmboost_export import niqe
from PIL import Image
from safetensors.numpy import load_file

MODEL = load_file(ROOT / "data" / "niqe" / "photographs.safetensors")


def test_niqe_equals_the_reference(fmboost, tmp_path):
    source = Image.open(ROOT / "docs" / "images" / "cat.png").convert("RGB").crop((40, 20, 340, 260))
    source.save(tmp_path / "cat.png")
    done = fmboost("eval", "upscale", tmp_path / "cat.png", "--scale", 2, "--niqe", "--json")
    methods = json.loads(done.stdout.splitlines()[0])["methods"]
    small = source.resize((150, 120), Image.BICUBIC)
    for name, image in (("original", source), ("bicubic", small.resize((300, 240), Image.BICUBIC))):
        inner = np.asarray(image)[2:-2, 2:-2]
        expected = niqe.distance(niqe.luma(inner), MODEL["mean"], MODEL["covariance"])
        assert methods[name]["niqe"] == pytest.approx(expected, rel=0.01), name
    assert methods["bicubic"]["niqe"] > methods["original"]["niqe"]
    assert methods["original"]["sharpness"] == 1
    assert methods["original"]["grain"] == 0
    assert methods["bicubic"]["sharpness"] < 0.9
