"""inspect and devices."""

import json
import os

import pytest
from bundles import WEIGHTS
from images import ramp
from runner import MODEL

CUDA_HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}


def test_a_bundle_is_described(fmboost):
    done = fmboost("inspect", MODEL, "--json")
    content = json.loads(done.out)
    wanted = json.loads((MODEL / "bundle.json").read_text())
    assert (content["kind"], content["name"], content["license"]) == ("bundle", wanted["name"], wanted["license"])
    told, given = ([(coupling["file"], coupling["factor"], coupling.get("applies_to", "any")) for coupling in couplings]
                   for couplings in (content["couplings"], wanted["couplings"]))  # fmt: skip
    assert told == given
    assert content["denoiser"]["native_size"] == wanted["denoiser"]["native_size"]
    assert content["tokenizer"]["vocabulary"] == json.loads((MODEL / "tokenizer" / "words.json").read_text())
    assert content["examples"] == wanted["examples"]
    assert "verified" not in content
    assert done.err == ""


def test_the_default_bundle_is_described_when_nothing_is_named(fmboost):
    assert fmboost("inspect").out == fmboost("inspect", MODEL).out


def test_a_bundle_is_verified(fmboost):
    lines = json.loads(fmboost("inspect", MODEL, "--verify", "--json").out)["verified"]
    for name in ("denoiser.safetensors", "text_encoder.safetensors", "autoencoder.safetensors", WEIGHTS, "tokenizer/words.json"):
        assert any(name in line for line in lines)


def test_verifying_sees_through_a_stamp(fmboost, bundles):
    """A file that was changed without a trace in size and time is found by --verify."""
    folder = bundles.copy()
    fmboost("inspect", folder, "--verify")
    fmboost.generate("-p", "sun", "-m", folder)
    file = folder / "denoiser.safetensors"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    with file.open("r+b") as content:
        content.seek(1000)
        byte = content.read(1)[0]
        content.seek(1000)
        content.write(bytes([byte ^ 1]))
    os.utime(file, ns=times)
    assert "denoiser.safetensors" in fmboost("inspect", folder, "--verify", code=4).err


def test_weights_are_described(fmboost):
    content = json.loads(fmboost("inspect", MODEL / WEIGHTS, "--json").out)
    assert content["kind"] == "safetensors"
    assert content["tensors"]["out.2.bias"]["shape"] == [16]
    assert content["elements"] > 1e6


def test_damaged_weights_are_named(fmboost):
    (fmboost.folder / "a.safetensors").write_bytes(b"\xff" * 100)
    assert "a.safetensors" in fmboost("inspect", "a.safetensors", code=4).err


def test_our_image_tells_its_settings(fmboost):
    fmboost.generate("-p", "a red sun", "--seed", 7, "-o", "a.png")
    content = json.loads(fmboost("inspect", "a.png", "--json").out)
    assert (content["kind"], content["format"], content["width"], content["height"]) == ("image", "png", 64, 64)
    assert content["text"]["fmboost"]["settings"]["seed"] == 7
    assert content["text"]["parameters"].startswith("a red sun\n")
    text = fmboost("inspect", "a.png").out
    assert "seed: 7" in text
    assert "Steps: 1" in text


def test_another_s_image_is_described(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.jpg")
    content = json.loads(fmboost("inspect", "a.jpg", "--json").out)
    assert (content["format"], content["width"], content["height"], content["alpha"]) == ("jpeg", 20, 10, False)


@pytest.mark.parametrize(("name", "code"), [("nothing", 4), ("notes.txt", 1), ("folder", 4)])
def test_what_it_does_not_know_is_named(fmboost, name, code):
    (fmboost.folder / "notes.txt").write_text("no image")
    (fmboost.folder / "folder").mkdir()
    assert name in fmboost("inspect", name, code=code).err


def test_devices_tells_what_there_is(fmboost):
    done = fmboost("devices", environment=CUDA_HIDDEN)
    assert done.out.startswith("cpu: ")
    assert "\nauto: cpu " in done.out
    assert done.err == ""


def test_devices_as_json(fmboost):
    content = json.loads(fmboost("devices", "--json", environment=CUDA_HIDDEN).out)
    (cpu,) = content["devices"]
    assert cpu["name"] == "cpu"
    assert cpu["threads"] >= 1
    assert cpu["available_memory"] > 2**20
    assert content["auto"] == ("cpu bfloat16" if cpu["fast_bfloat16"] else "cpu float32")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:3"])
def test_a_gpu_that_is_not_there_is_an_error(fmboost, device):
    done = fmboost("generate", "-p", "sun", "--device", device, code=1, environment=CUDA_HIDDEN)
    assert f"'{device}'" in done.err
    assert "cpu" in done.err
    assert fmboost.names() == []
