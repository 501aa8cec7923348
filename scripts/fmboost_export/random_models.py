"""Stable Diffusion 1.5 and LCM models with seeded random weights, for tests and benchmarks."""

import json
import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from .single_file import SD15_CONFIGS

# The same architecture at a small size: two levels; the autoencoder is still 8x.
SMALL_UNET = {
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "sample_size": 8,
}
SMALL_VAE = {"block_out_channels": [32, 32, 32, 64], "layers_per_block": 1, "sample_size": 64}
SMALL_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "projection_dim": 32,
}


def _config(component, changes):
    path = SD15_CONFIGS / component / ("scheduler_config.json" if component == "scheduler" else "config.json")
    return json.loads(path.read_text()) | changes


def random_components(seed=0, full=False, guidance_embedding=None, unet=None):
    """unet, vae and text encoder in float32. `unet`: further configuration changes."""
    torch.manual_seed(seed)
    unet_changes = ({} if full else SMALL_UNET) | {"time_cond_proj_dim": guidance_embedding} | (unet or {})
    components = {
        "unet": UNet2DConditionModel.from_config(_config("unet", unet_changes)),
        "vae": AutoencoderKL.from_config(_config("vae", {} if full else SMALL_VAE)),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**_config("text_encoder", {} if full else SMALL_TEXT))),
    }
    for model in components.values():
        model.eval().requires_grad_(False)
    _spread_pixels(components["vae"])
    return components


def _spread_pixels(vae):
    """Stretches the output of an untrained decoder over the full range: it is almost uniform gray, which would hide errors."""
    latent = torch.randn(1, vae.config.latent_channels, 8, 8, generator=torch.Generator().manual_seed(0)) / 0.18215
    pixels = vae.decode(latent).sample
    vae.decoder.conv_out.weight.mul_(0.5 / pixels.std())
    vae.decoder.conv_out.bias.sub_(vae.decode(latent).sample.mean())


def save_folder(components, scheduler, tokenizer_folder, folder, dtype=torch.float32):
    """Saves the components as a diffusers folder. `scheduler`: changes to SD 1.5's scheduler configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in components.items():
        model.to(dtype).save_pretrained(folder / name)
    (folder / "scheduler").mkdir()
    config = _config("scheduler", scheduler)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer").mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(tokenizer_folder / name, folder / "tokenizer" / name)
    tokens = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"}
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(tokens, indent=2) + "\n")
    index = {
        "_class_name": "LatentConsistencyModelPipeline"
        if components["unet"].config.time_cond_proj_dim
        else "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
        "scheduler": ["diffusers", config["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
