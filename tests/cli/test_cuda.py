"""A GPU gives what the CPU gives. Without one these tests skip."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

IMAGE = ("-p", "a landscape at night, a blue lake, green hills", "--size", 256, "--steps", 2)
# Of 255: mean difference to the CPU's float32.
CLOSE = {"float32": 0.15, "float16": 0.5, "bfloat16": 2.0}


@pytest.fixture(scope="module", autouse=True)
def gpu(shared):
    names = [device["name"] for device in json.loads(shared("devices", "--json").out)["devices"]]
    if "cuda:0" not in names:
        pytest.skip("no CUDA device here")


def on(device, dtype="float32"):
    return ("--device", device, "--dtype", dtype)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32)


def soft_image(seed, side):
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.BICUBIC)


def mean_difference(first, second):
    return np.abs(pixels(first) - pixels(second)).mean()


@pytest.fixture(scope="module")
def cpu_images(shared):
    shared("generate", *IMAGE, *on("cpu"), "-o", "cpu.png")
    soft_image(0, 160).save(shared.folder / "soft.png")
    shared("upscale", "soft.png", *on("cpu"), "-o", "cpu_2x.png")
    return shared.folder


@pytest.mark.parametrize("dtype", CLOSE)
def test_a_drawn_image(fmboost, cpu_images, dtype):
    fmboost("generate", *IMAGE, *on("cuda", dtype), "-o", "gpu.png")
    assert mean_difference(fmboost.folder / "gpu.png", cpu_images / "cpu.png") < CLOSE[dtype]


@pytest.mark.parametrize("dtype", CLOSE)
def test_an_upscaled_image(fmboost, cpu_images, dtype):
    fmboost("upscale", cpu_images / "soft.png", *on("cuda", dtype), "-o", "gpu_2x.png")
    assert mean_difference(fmboost.folder / "gpu_2x.png", cpu_images / "cpu_2x.png") < CLOSE[dtype]


def test_the_same_bytes_twice(fmboost):
    for name in ("a.png", "b.png"):
        fmboost("generate", *IMAGE, *on("cuda", "bfloat16"), "-o", name)
    assert (fmboost.folder / "a.png").read_bytes() == (fmboost.folder / "b.png").read_bytes()


def test_windows_leave_no_seams(fmboost, cpu_images):
    for tile in ("off", 128):
        fmboost("upscale", cpu_images / "soft.png", *on("cuda"), "--tile", tile, "-o", f"{tile}.png")
    assert mean_difference(fmboost.folder / "off.png", fmboost.folder / "128.png") < 1


def test_auto_takes_the_gpu_and_bfloat16(shared):
    assert json.loads(shared("devices", "--json").out)["auto"] == "cuda:0 bfloat16"


@pytest.fixture(scope="module")
def shards(shared):
    """Latents of squares of 64 and 32 pixels, made on the CPU and on the GPU."""
    images = shared.folder / "images"
    images.mkdir()
    for seed in range(4):
        soft_image(seed, 96).save(images / f"{seed}.png")
    for device in ("cpu", "cuda"):
        shared("encode", images, "--low", 32, "--high", 64, "--crops", 4, *on(device), "--store", "float32",
               "-o", device)  # fmt: skip
    return shared.folder


def first_shard(folder):
    return sorted(folder.glob("*.tar"))[0]


def test_encoded_latents(shards):
    with tarfile.open(first_shard(shards / "cpu")) as cpu, tarfile.open(first_shard(shards / "cuda")) as gpu:
        names = [name for name in cpu.getnames() if name.endswith(".npy")]
        assert names and gpu.getnames() == cpu.getnames()
        for name in names:
            one, other = (np.load(io.BytesIO(file.extractfile(name).read())) for file in (cpu, gpu))
            np.testing.assert_allclose(other, one, atol=0.01)


def train(fmboost, shards, device, name, *arguments):
    """The losses of a short training of a small network."""
    fmboost("train", "--data", shards / "cpu", "-o", name, "--model-channels", 32, "--channel-mult", 1, 2, "--num-res-blocks", 1,
            "--attention-resolutions", 2, "--dim-head", 16, "--batch-size", 4, "--steps", 12, "--warmup", 1, "--lr", 1e-3,
            "--log-every", 1, "--clip-norm", 1, "--device", device, "--no-tensorboard", *arguments)  # fmt: skip
    lines = (fmboost.folder / name / "metrics.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, lines)]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0.01), ("bf16-mixed", 0.05)])
def test_training_takes_the_cpu_s_course(fmboost, shards, precision, tolerance):
    cpu = train(fmboost, shards, "cpu", "cpu", "--precision", "float32")
    gpu = train(fmboost, shards, "cuda", "gpu", "--precision", precision)
    assert len(cpu) == len(gpu) == 12
    np.testing.assert_allclose(gpu, cpu, rtol=tolerance)


def test_a_training_goes_on_where_it_was(fmboost, shards):
    whole = train(fmboost, shards, "cuda", "whole", "--checkpoint-every", 6, "--precision", "float32")
    (checkpoint,) = (fmboost.folder / "whole" / "checkpoints").glob("step-*6*")
    assert checkpoint.exists()
    again = train(fmboost, shards, "cuda", "whole", "--precision", "float32", "--resume", "--resume-step", 6, "--force")
    np.testing.assert_allclose(again[-6:], whole[-6:], rtol=0.01)
    assert load_file(next((fmboost.folder / "whole").glob("cfm*.safetensors")))
