"""export_bundle.py: the TorchScript modules and bundle.json."""

import hashlib
import json
import re

import pytest
import torch
from conftest import ROOT
from diffusers import AutoencoderKL, UNet2DConditionModel
from fmboost_export import tracing
from fmboost_export.errors import ExportError
from transformers import CLIPTextModel

MODULES = ("text_encoder.pt", "denoiser.pt", "autoencoder_encoder.pt", "autoencoder_decoder.pt")


def manifest(bundle):
    return json.loads((bundle / "bundle.json").read_text())


def original_unet(models, kind):
    return UNet2DConditionModel.from_pretrained(models.folder(kind), subfolder="unet", local_files_only=True)


def denoiser_inputs(batch, height, width, guidance=None):
    generator = torch.Generator().manual_seed(height)
    inputs = [torch.randn(batch, 4, height, width, generator=generator), torch.linspace(999, 1, batch)]
    inputs.append(torch.randn(batch, 77, 32, generator=generator))
    return inputs + ([torch.randn(batch, guidance, generator=generator)] if guidance else [])


def relative_error(found, expected):
    assert found.shape == expected.shape
    return float((found.float() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 9, 13), (5, 7, 24), (1, 2, 3)])
@pytest.mark.parametrize("kind", ["ddim", "lcm-guided"])
def test_the_denoiser_equals_the_unet_at_any_batch_and_latent_size(models, kind, size):
    guidance = 32 if kind == "lcm-guided" else None
    inputs = denoiser_inputs(*size, guidance)
    condition = inputs[3] if guidance else None
    expected = original_unet(models, kind)(*inputs[:3], timestep_cond=condition).sample
    module = torch.jit.load(str(models.bundle(kind) / "denoiser.pt"))
    assert relative_error(module(*inputs), expected) < 1e-4


@pytest.mark.parametrize("size", [(1, 1, 2), (2, 3, 5), (3, 8, 2)])
def test_the_autoencoder_gives_the_mode_and_the_pixels_unscaled(models, size):
    vae = AutoencoderKL.from_pretrained(models.folder("ddim"), subfolder="vae", local_files_only=True)
    batch, height, width = size
    latent = torch.randn(batch, 4, height, width)
    pixels = torch.rand(batch, 3, 8 * height, 8 * width) * 2 - 1
    names = ("autoencoder_encoder.pt", "autoencoder_decoder.pt")
    encoder, decoder = (torch.jit.load(str(models.bundle("ddim") / name)) for name in names)
    assert relative_error(decoder(latent), vae.decode(latent).sample) < 1e-4
    assert relative_error(encoder(pixels), vae.encode(pixels).latent_dist.mode()) < 1e-4


def test_the_text_encoder_gives_the_last_hidden_states(models):
    clip = CLIPTextModel.from_pretrained(models.folder("ddim") / "text_encoder", local_files_only=True)
    module = torch.jit.load(str(models.bundle("ddim") / "text_encoder.pt"))
    for batch in (1, 3):
        ids = torch.randint(0, 49408, (batch, 77))
        assert relative_error(module(ids), clip(ids).last_hidden_state) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_modules_can_be_cast_to_half_precision(models, dtype):
    module = torch.jit.load(str(models.bundle("lcm-guided") / "denoiser.pt"))
    inputs = denoiser_inputs(2, 6, 10, 32)
    expected = module(*inputs)
    inputs = [x if x.ndim == 1 else x.to(dtype) for x in inputs]  # the timestep stays float32
    result = module.to(dtype)(*inputs)
    assert result.dtype == dtype and torch.isfinite(result).all()
    assert relative_error(result, expected) < 0.1


def test_the_time_embedding_keeps_float32_precision_in_half_modules(models):
    # In bfloat16, timesteps 998 and 999 would be equal.
    module = torch.jit.load(str(models.bundle("ddim") / "denoiser.pt")).to(torch.float16)
    x, _, text = denoiser_inputs(1, 8, 8)
    results = [module(x.half(), torch.tensor([t]), text.half()) for t in (998.0, 999.0)]
    assert not torch.equal(*results)


@pytest.mark.parametrize("name", MODULES)
def test_modules_contain_no_device_and_create_no_tensors(models, name):
    for kind in ("ddim", "lcm-guided"):
        tracing.refuse_constants(torch.jit.load(str(models.bundle(kind) / name)), name)


def test_modules_use_only_operators_that_fmboost_allows(models):
    source = (ROOT / "src" / "model" / "torchscript_operators.cpp").read_text()
    allowed = set(re.findall(r'"(\w+)"sv', source))
    for kind in ("ddim", "lcm-guided"):
        for name in MODULES:
            used = tracing.operators(torch.jit.load(str(models.bundle(kind) / name)))
            assert {operator.split("::")[1] for operator in used} <= allowed


def test_a_plain_trace_is_rejected(models):
    class Plain(torch.nn.Module):
        def __init__(self, unet):
            super().__init__()
            self.unet = unet

        def forward(self, x, timestep, text):
            return self.unet(x, timestep, text, return_dict=False)[0]

    with pytest.raises(ExportError, match="device|creates tensors"):
        tracing.trace(Plain(original_unet(models, "ddim")), tuple(denoiser_inputs(2, 9, 13)), "denoiser.pt")


def test_a_module_with_a_fixed_dtype_or_size_is_rejected(models):
    class Frozen(torch.nn.Module):
        def forward(self, x):
            return x.to(torch.float32).view(2, -1).sum(1)

    x = torch.ones(2, 3)
    module = torch.jit.trace(Frozen(), (x,))
    assert tracing.compare(module, x.sum(1), (x,), "frozen") == 0
    with pytest.raises(ExportError, match="float32"):
        tracing.compare(module, x.sum(1), (x,), "frozen", torch.bfloat16)
    with pytest.raises(ExportError, match="frozen as float32 on cpu with inputs 3x3: the traced module fails"):
        tracing.compare(module, torch.ones(3), (torch.ones(3, 3),), "frozen")


def test_bundle_json_describes_the_model(models):
    entry = manifest(models.bundle("ddim"))
    assert (entry["format"], entry["version"]) == ("fmboost-bundle", 1)
    assert entry["tokenizer"] | {"vocab_sha256": "", "merges_sha256": ""} == {
        "type": "clip-bpe", "vocab": "tokenizer/vocab.json", "vocab_sha256": "", "merges": "tokenizer/merges.txt",
        "merges_sha256": "", "max_length": 77, "start": 49406, "end": 49407, "pad": 49407,
    }  # fmt: skip
    denoiser = entry["denoiser"]
    assert denoiser["latent_channels"] == 4 and denoiser["guidance_embedding"] is None
    assert (denoiser["native_size"], denoiser["size_multiple"]) == (64, 16)
    assert entry["autoencoder"]["factor"] == 8 and entry["autoencoder"]["scale"] == 0.18215
    assert entry["autoencoder"]["shift"] == 0 and entry["text_encoder"]["width"] == 32
    assert manifest(models.bundle("lcm-guided"))["denoiser"]["guidance_embedding"] == 32


def test_every_file_is_listed_with_its_hash(models):
    bundle = models.bundle("ddim")
    text = (bundle / "bundle.json").read_text()
    files = [path for path in bundle.rglob("*") if path.is_file() and path.name != "bundle.json"]
    assert len(files) == 7
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in text
        assert str(path.relative_to(bundle)) in text


def test_the_binary_verifies_the_bundle(models, fmboost):
    for kind in ("ddim", "lcm-guided"):
        fmboost("inspect", "--verify", models.bundle(kind))
