"""Compares the native networks with diffusers, transformers and the default model's PyTorch code: outputs and gradients of
every variant at a small size."""

import json
import os
import subprocess
from pathlib import Path

import networks
import pytest
import text_networks
import torch
from conftest import ROOT
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

ERROR = 1e-4  # of the largest value


@pytest.fixture
def case_program():
    path = Path(os.environ.get("FMBOOST_NETWORK_CASE", ROOT / "build" / "release" / "tests" / "fmboost_network_case"))
    assert path.is_file(), f"{path} is missing: build it, or set FMBOOST_NETWORK_CASE"
    return path


def random_weights(model):
    """Random weights everywhere: initial biases are 0, norms 1 and some layers zero, which would hide errors in them."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and not parameter.any():
            parameter.data.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
        if parameter.dim() == 1:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(0.2 * noise + (1 if "norm" in name and name.endswith("weight") else 0))
    return model.eval()


def published_names(model):
    """Whether module names start with `text_model.` depends on the version of transformers; files have the prefix."""
    prefix = "text_model."
    text = isinstance(model, CLIPTextModel)
    return {prefix + name.removeprefix(prefix) if text else name: x for name, x in model.named_parameters()}


class Comparison:
    """Runs a model's call in Python and C++ and compares outputs and gradients."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run_native(self, weights, config, call, inputs, directions):
        case = {f"weight.{name}": x.detach() for name, x in weights.items()} | {k: x.detach() for k, x in inputs.items()}
        case |= {f"direction.{name}": x for name, x in directions.items()}
        save_file(
            {name: x.contiguous() for name, x in case.items()},
            self.folder / "case.safetensors",
            {"config": json.dumps(config), "call": call},
        )
        done = subprocess.run([self.program, self.folder / "case.safetensors", self.folder / "out.safetensors"],
                              capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
        assert done.returncode == 0, done.stderr
        return load_file(self.folder / "out.safetensors")

    def __call__(self, model, function, inputs, config, call="run"):
        weights = published_names(model)
        for x in [*weights.values(), *inputs.values()]:
            x.requires_grad_(x.is_floating_point())
        with torch.enable_grad():
            outputs = function(**inputs)
            generator = torch.Generator().manual_seed(2)
            directions = {name: torch.randn(x.shape, generator=generator) for name, x in outputs.items()}
            sum((x * directions[name]).sum() for name, x in outputs.items()).backward()
        found = self.run_native(weights, config, call, inputs, directions)
        for name, x in outputs.items():
            assert_close(found[name], x.detach(), name)
        gradients = {f"gradient.weight.{name}": x.grad for name, x in weights.items()}
        gradients |= {f"gradient.{name}": x.grad for name, x in inputs.items()}
        gradients = {name: x for name, x in gradients.items() if x is not None}
        assert {name for name in found if name.startswith("gradient.")} == gradients.keys()
        # Relative to the largest gradient if one is nearly zero: that of key biases is pure rounding error.
        floor = 1e-3 * max(x.abs().max() for name, x in gradients.items() if "weight" in name)
        for name, x in gradients.items():
            assert_close(found[name], x, name, floor)


def assert_close(found, expected, name, floor=1e-6):
    assert found.shape == expected.shape, name
    assert torch.isfinite(found).all(), name
    error = (found - expected).abs().max() / max(expected.abs().max(), floor)
    assert error < ERROR, f"{name}: {error:.1e}"


@pytest.fixture
def compare(case_program, tmp_path):
    return Comparison(case_program, tmp_path)


def normal(*shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


TEXT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "max_position_embeddings": 12,
}
TEXT_VARIANTS = {
    "quick gelu": {},
    "gelu": {"hidden_act": "gelu"},
    "the last layer left off": {"clip_skip": 1},
    "two layers left off": {"clip_skip": 2, "hidden_act": "gelu"},
}


@pytest.mark.parametrize("name", TEXT_VARIANTS)
def test_text_encoder(compare, name):
    config = TEXT | {"hidden_act": "quick_gelu"} | TEXT_VARIANTS[name]
    skip = config.pop("clip_skip", 0)
    torch.manual_seed(0)
    model = random_weights(CLIPTextModel(CLIPTextConfig(**config)))
    core = getattr(model, "text_model", model)

    def states(ids):
        """As in diffusers' pipelines: the states before the skipped layers, then the final norm."""
        if not skip:
            return {"states": model(ids).last_hidden_state}
        hidden = model(ids, output_hidden_states=True).hidden_states
        return {"states": core.final_layer_norm(hidden[-(skip + 1)])}

    ids = torch.randint(0, 100, (2, 12), generator=torch.Generator().manual_seed(3))
    compare(model, states, {"ids": ids}, config | {"model_type": "clip_text_model", "clip_skip": skip})


def test_text_encoder_accepts_shorter_prompts(compare):
    config = TEXT | {"hidden_act": "quick_gelu"}
    model = random_weights(CLIPTextModel(CLIPTextConfig(**config)))
    compare(model, lambda ids: {"states": model(ids).last_hidden_state}, {"ids": torch.arange(10).reshape(2, 5)}, config)


UNET = {
    "block_out_channels": [16, 32, 32],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 2,
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "sample_size": 8,
}
UNET_VARIANTS = {
    "as Stable Diffusion 1.5": {},
    "linear projections, heads for each level": {"use_linear_projection": True, "attention_head_dim": [2, 4, 8]},
    "guidance embedding": {"time_cond_proj_dim": 20},
    "levels of different depth": {"layers_per_block": [1, 2, 1], "transformer_layers_per_block": [2, 1, 1]},
    "no middle": {"mid_block_type": None},
    "inputs beside the latent": {"in_channels": 9},
    "attention where it is coarse": {
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    },
}


def make_unet(changes):
    torch.manual_seed(0)
    return random_weights(UNet2DConditionModel(**UNET | changes))


def plain_config(model):
    """The configuration as written to config.json."""
    return json.loads(model.to_json_string())


def unet_call(model):
    def run(x, timestep, text, guidance=None):
        return {"prediction": model(x, timestep, text, timestep_cond=guidance, return_dict=False)[0]}

    return run


@pytest.mark.parametrize("name", UNET_VARIANTS)
def test_unet(compare, name):
    model = make_unet(UNET_VARIANTS[name])
    inputs = {"x": normal(2, model.config.in_channels, 8, 12), "timestep": torch.tensor([1.0, 999.0])}
    inputs["text"] = normal(2, 7, 24, seed=4)
    if model.config.time_cond_proj_dim:
        inputs["guidance"] = normal(2, 20, seed=5)
    compare(model, unet_call(model), inputs, plain_config(model))


def test_unet_with_odd_sides(compare):
    model = make_unet({})
    inputs = {"x": normal(1, 4, 9, 13), "timestep": torch.tensor([501.0]), "text": normal(1, 3, 24, seed=4)}
    compare(model, unet_call(model), inputs, plain_config(model))


VAE = {
    "block_out_channels": [16, 32, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 2,
    "norm_num_groups": 8,
}
VAE_VARIANTS = {
    "as Stable Diffusion 1.5": {},
    "no attention": {"mid_block_add_attention": False},
    "no convolutions at the latent": {"use_quant_conv": False, "use_post_quant_conv": False, "latent_channels": 6},
}


@pytest.mark.parametrize("name", VAE_VARIANTS)
@pytest.mark.parametrize("call", ["encode", "decode"])
def test_autoencoder(compare, name, call):
    torch.manual_seed(0)
    model = random_weights(AutoencoderKL(**VAE | VAE_VARIANTS[name]))
    channels = model.config.latent_channels

    def encode(pixels, noise):
        posterior = model.encode(pixels).latent_dist
        return {"mode": posterior.mode(), "sample": posterior.mean + posterior.std * noise}

    def decode(latent):
        return {"pixels": model.decode(latent).sample}

    if call == "encode":
        inputs = {"pixels": normal(2, 3, 16, 24), "noise": normal(2, channels, 4, 6, seed=4)}
        compare(model, encode, inputs, plain_config(model), call)
    else:
        compare(model, decode, {"latent": normal(2, channels, 4, 6)}, plain_config(model), call)


@pytest.mark.parametrize("call", ["encode", "decode"])
def test_tiny_autoencoder(compare, call):
    torch.manual_seed(0)
    blocks = {"num_encoder_blocks": [1, 2, 3], "num_decoder_blocks": [3, 2, 1]}
    channels = {f"{half}_block_out_channels": [16, 16, 16] for half in ("encoder", "decoder")}
    model = random_weights(AutoencoderTiny(**blocks, **channels))
    if call == "encode":
        inputs, run = {"pixels": normal(2, 3, 16, 24)}, lambda pixels: {"latent": model.encode(pixels).latents}
    else:
        inputs, run = {"latent": 2 * normal(2, 4, 4, 6)}, lambda latent: {"pixels": model.decode(latent).sample}
    compare(model, run, inputs, plain_config(model), call)


def test_default_text_encoder(compare):
    torch.manual_seed(0)
    model = random_weights(text_networks.TextEncoder(words=50, length=12, width=32, layers=2, heads=4))
    config = {"_class_name": "WordTransformer", **model.configuration}
    ids = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(3))
    compare(model, lambda ids: {"states": model(ids)}, {"ids": ids}, config)


@pytest.mark.parametrize("fine_blocks", [0, 2])
def test_default_denoiser(compare, fine_blocks):
    torch.manual_seed(0)
    options = {"latent_channels": 4, "widths": [64, 96, 128], "down": [1, 2, 1], "up": [1, 2, 2], "text_width": 24}
    model = random_weights(text_networks.Denoiser(**options, fine_channels=24, fine_blocks=fine_blocks))
    inputs = {"x": normal(2, 4, 16, 24), "timestep": torch.tensor([1.0, 999.0]), "text": normal(2, 7, 24, seed=4)}
    config = {"_class_name": "PatchUnet", **model.configuration}
    compare(model, lambda x, timestep, text: {"prediction": model(x, timestep, text)}, inputs, config)


@pytest.mark.parametrize("call", ["encode", "decode"])
def test_default_autoencoder(compare, call):
    torch.manual_seed(0)
    options = {"latent_channels": 6, "channels": 24, "blocks": 3, "fine_channels": 16, "fine_blocks": 2}
    model = random_weights(networks.Autoencoder(**options))
    config = {"_class_name": "ConvAutoencoder", **model.configuration}
    if call == "encode":
        inputs, run = {"pixels": normal(2, 3, 16, 24)}, lambda pixels: {"latent": model.encoder(pixels)}
    else:
        inputs, run = {"latent": normal(2, 6, 4, 6)}, lambda latent: {"pixels": model.decoder(latent)}
    compare(model, run, inputs, config, call)
