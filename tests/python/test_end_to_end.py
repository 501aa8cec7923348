"""The binary generates the same images as diffusers from the same model, prompt and seed, and upscales like plain PyTorch."""

import json

import numpy as np
import pytest
import torch
from cfm_reference import CfmReference, upscale
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    StableDiffusionPipeline,
)
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

PROMPT = "a Red fox, jumping over 2 lazy dogs' fence -- at dusk (très joli)"
NEGATIVE = "blurry, low quality"
SEED = 7
LATENT_ERROR = 1e-3  # of the largest value
PIXEL_ERROR = 2  # of 255


def pipeline(folder):
    kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
    classes = {kind.__name__: kind for kind in (StableDiffusionPipeline, LatentConsistencyModelPipeline)}
    pipe = classes[kind].from_pretrained(folder, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def diffusers_latents(pipe, steps, guidance, width, height, negative=None):
    extra = {} if negative is None else {"negative_prompt": negative}
    return pipe(
        PROMPT, num_inference_steps=steps, guidance_scale=guidance, width=width, height=height, output_type="latent",
        generator=torch.Generator("cpu").manual_seed(SEED), **extra,
    ).images  # fmt: skip


def read_pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def to_bytes(pixels):
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round()[0].permute(1, 2, 0).numpy().astype(int)


def assert_latents_equal(found, expected):
    assert found.shape == expected.shape
    assert torch.isfinite(found).all()
    assert (found - expected).abs().max() / expected.abs().max() < LATENT_ERROR


def assert_images_equal(found, expected):
    assert found.shape == expected.shape
    assert expected.std() > 20, "the image is too uniform to reveal errors"
    assert abs(found - expected).max() <= PIXEL_ERROR


@pytest.fixture
def draw(fmboost, models, tmp_path):
    """Runs `generate` at low resolution; returns its latent and image."""

    def run(kind, *arguments, bundle=models.bundle):
        fmboost("generate", "-m", bundle(kind), "-p", PROMPT, "-s", SEED, "--no-upscale", "--save-intermediates",
                tmp_path / "i", "-o", tmp_path / "out.png", *arguments)  # fmt: skip
        latent = load_file(tmp_path / "i" / "out_low_latent.safetensors")["latent"]
        low, final = read_pixels(tmp_path / "i" / "out_low.png"), read_pixels(tmp_path / "out.png")
        assert np.array_equal(low, final)
        return latent, final

    return run


CASES = {
    "ddim with guidance": ("ddim", 5, 7.5, (64, 64), None),
    "ddim with guidance and a negative prompt": ("ddim", 5, 7.5, (64, 64), NEGATIVE),
    "ddim without guidance": ("ddim", 4, 1.0, (64, 64), None),
    "ddim, wide": ("ddim", 4, 5.0, (96, 64), NEGATIVE),
    "ddim, tall": ("ddim", 4, 5.0, (48, 112), None),
    "v prediction with trailing steps": ("v", 5, 4.0, (64, 64), NEGATIVE),
    "v prediction, wide": ("v", 4, 4.0, (80, 48), None),
    "lcm without a guidance embedding": ("lcm", 4, 1.0, (64, 64), None),
    "lcm, one step": ("lcm", 1, 1.0, (64, 64), None),
    "lcm without a guidance embedding, guided": ("lcm", 3, 2.0, (64, 96), NEGATIVE),
    "lcm with a guidance embedding": ("lcm-guided", 4, 8.5, (64, 64), None),
    "lcm with a guidance embedding, tall": ("lcm-guided", 6, 3.0, (64, 96), None),
}


def assert_equals_diffusers(models, draw, case, bundle):
    kind, steps, guidance, (width, height), negative = CASES[case]
    pipe = ddim_of(pipeline(models.folder(kind)))
    expected = diffusers_latents(pipe, steps, guidance, width, height, negative)
    flags = ["--steps", steps, "--guidance", guidance, "--size", f"{width}x{height}"]
    latent, found = draw(kind, *flags, *(["-n", negative] if negative else []), bundle=bundle)
    assert_latents_equal(latent, expected)
    assert_images_equal(found, to_bytes(pipe.vae.decode(expected / pipe.vae.config.scaling_factor).sample))


@pytest.mark.parametrize("case", CASES)
def test_low_resolution_equals_diffusers(models, draw, case):
    assert_equals_diffusers(models, draw, case, models.bundle)


NATIVE_CASES = ["ddim with guidance and a negative prompt", "v prediction, wide", "lcm with a guidance embedding, tall"]


@pytest.mark.parametrize("case", NATIVE_CASES)
def test_native_networks_equal_diffusers(models, draw, case):
    assert_equals_diffusers(models, draw, case, models.native)


def test_native_and_torchscript_networks_upscale_alike(models, fmboost, photo, tmp_path):
    for name, bundle in ("native", models.native), ("torchscript", models.bundle):
        fmboost("upscale", photo, "-m", bundle("lcm"), "--scale", 2, "-s", SEED, "-o", tmp_path / f"{name}.png")
    assert_images_equal(read_pixels(tmp_path / "native.png"), read_pixels(tmp_path / "torchscript.png"))


def ddim_of(pipe):
    """PNDM, the scheduler in these folders, is replaced by DDIM."""
    if type(pipe.scheduler).__name__ == "PNDMScheduler":
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    return pipe


@pytest.mark.parametrize(
    ("sampler", "scheduler", "karras"),
    [
        ("euler", EulerDiscreteScheduler, False),
        ("euler", EulerDiscreteScheduler, True),
        ("euler-a", EulerAncestralDiscreteScheduler, False),
        ("dpm++2m", DPMSolverMultistepScheduler, False),
        ("dpm++2m", DPMSolverMultistepScheduler, True),
    ],
)
@pytest.mark.parametrize("kind", ["ddim", "v"])
def test_other_samplers_equal_diffusers(models, draw, kind, sampler, scheduler, karras):
    pipe = pipeline(models.folder(kind))
    changes = {"use_karras_sigmas": True} if karras else {}
    pipe.scheduler = scheduler.from_config(pipe.scheduler.config, **changes)
    expected = diffusers_latents(pipe, 6, 5.0, 64, 64)
    flags = ["--karras"] if karras else []
    latent, found = draw(kind, "--sampler", sampler, "--steps", 6, "--guidance", 5, "--size", 64, *flags)
    assert_latents_equal(latent, expected)
    assert_images_equal(found, to_bytes(pipe.vae.decode(expected / pipe.vae.config.scaling_factor).sample))


def test_prompt_seed_and_negative_prompt_all_matter(models):
    """The comparisons above are meaningful only if every input affects the image."""
    pipe = ddim_of(pipeline(models.folder("ddim")))
    first = diffusers_latents(pipe, 2, 7.5, 64, 64)
    other = diffusers_latents(pipe, 2, 7.5, 64, 64, negative=NEGATIVE)
    assert (first - other).abs().max() / first.abs().max() > 10 * LATENT_ERROR


# --- the coupling


class Reference:
    """A model's coupling in plain PyTorch: diffusers' autoencoder and the transcribed network."""

    def __init__(self, folder, cfm):
        self.vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", local_files_only=True)
        with safe_open(cfm, framework="pt") as file:
            self.network = CfmReference(load_file(cfm), json.loads(file.metadata()["config"]))
        self.scale = self.vae.config.scaling_factor

    def encode(self, pixels):
        return self.vae.encode(pixels).latent_dist.mode() * self.scale

    def decode(self, latent):
        return self.vae.decode(latent / self.scale).sample

    def upscale(self, pixels, size, **options):
        return upscale(self.network, self.encode, self.decode, pixels, size, **options)


@pytest.fixture
def reference(models):
    return Reference(models.folder("lcm"), models.cfm())


@pytest.mark.parametrize(
    ("steps", "noise", "size"), [(4, 0, (128, 128)), (1, 0, (192, 128)), (3, 0, (128, 160)), (2, 400, (128, 128))]
)
def test_generate_with_its_coupling_equals_the_transcription(models, fmboost, reference, tmp_path, steps, noise, size):
    height, width = size
    fmboost("generate", "-m", models.bundle("lcm"), "-p", PROMPT, "-s", SEED, "--steps", 2, "--guidance", 1,
            "--size", f"{width}x{height}", "--base-size", f"{width // 2}x{height // 2}", "--flow-steps", steps,
            "--flow-noise", noise, "--save-intermediates", tmp_path / "i", "-o", tmp_path / "out.png")  # fmt: skip
    low = reference.decode(load_file(tmp_path / "i" / "out_low_latent.safetensors")["latent"])
    latent, pixels = reference.upscale(low, size, steps=steps, noising_step=noise, seed=SEED)
    assert_latents_equal(load_file(tmp_path / "i" / "out_high_latent.safetensors")["latent"], latent)
    assert_images_equal(read_pixels(tmp_path / "out.png"), to_bytes(pixels))


@pytest.fixture
def photo(tmp_path):
    """A smooth image with an edge, 70x52: twice that is not a multiple of the size units."""
    y, x = np.mgrid[0:52, 0:70]
    channels = [127 + 100 * np.sin(x / 9), 127 + 100 * np.cos(y / 7), np.where(x + y > 60, 220, 40)]
    Image.fromarray(np.stack(channels, -1).astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("noise", [0, 250])
def test_upscale_equals_the_transcription(models, fmboost, reference, photo, tmp_path, noise):
    fmboost("upscale", photo, "-m", models.bundle("lcm"), "--scale", 2, "--back-project", 0, "--flow-noise", noise,
            "-s", SEED, "-o", tmp_path / "big.png")  # fmt: skip
    pixels = torch.from_numpy(read_pixels(photo)).permute(2, 0, 1)[None].float() / 127.5 - 1
    _, expected = reference.upscale(pixels, (104, 140), noising_step=noise, seed=SEED)
    assert_images_equal(read_pixels(tmp_path / "big.png"), to_bytes(expected))


def test_back_projection_keeps_the_source(models, fmboost, photo, tmp_path):
    """Even with an untrained network, the downsampled result equals the source; without back-projection it does not."""
    errors = []
    for rounds in (0, 2):
        fmboost("upscale", photo, "-m", models.bundle("lcm"), "--scale", 2, "--back-project", rounds, "-o",
                tmp_path / f"{rounds}.png")  # fmt: skip
        reduced = Image.open(tmp_path / f"{rounds}.png").resize((70, 52), Image.Resampling.BICUBIC)
        errors.append(abs(np.asarray(reduced).astype(int) - read_pixels(photo)).mean())
    assert errors[1] < errors[0] / 4
