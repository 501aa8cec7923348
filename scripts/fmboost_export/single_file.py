"""Checkpoints in the original layout: one .safetensors with UNet, autoencoder and text encoder."""

from pathlib import Path

from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

from .errors import ModelError, UsageError, one_line
from .files import read_json, read_safetensors, stored_dtype
from .source import assemble, build
from .tokenizer import Tokenizer

SD15_CONFIGS = Path(__file__).parent / "configs" / "sd15"
PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
}

# How LCM's guidance layer is called in such files: there is no original to take the name from.
GUIDANCE = "time_embedding.cond_proj.weight"
GUIDANCE_NAMES = ("time_embed.cond_proj.weight", GUIDANCE)


def load_single_file(path, tokenizer_folder, configs=SD15_CONFIGS):
    """`configs` holds the parts' configurations as a diffusers folder does; the file itself has none."""
    if path.suffix != ".safetensors":
        raise UsageError(f"'{path}' must be a diffusers folder or a .safetensors file")
    tensors = read_safetensors(path)
    _refuse_others(path, tensors)
    parts = split(tensors, path)
    dtypes = {part: stored_dtype(found) for part, found in parts.items()}
    return _assemble(path, convert(parts, path, configs), dtypes, tokenizer_folder, configs)


def split(tensors, origin):
    """The tensors of every part, without its prefix."""
    parts = {}
    for part, prefix in PREFIXES.items():
        parts[part] = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
        if not parts[part]:
            raise ModelError(f"'{origin}' is no Stable Diffusion 1.5 checkpoint in the original layout: nothing in it "
                             f"begins with '{prefix}'")
    return parts


def convert(parts, origin, configs):
    """The same tensors under diffusers' names."""
    unet, vae = (
        {PREFIXES[part] + name: tensor for name, tensor in parts[part].items()} for part in ("unet", "vae")
    )
    guidance = {GUIDANCE: parts["unet"][name] for name in GUIDANCE_NAMES if name in parts["unet"]}
    try:
        unet = convert_ldm_unet_checkpoint(unet, read_json(configs / "unet" / "config.json")) | guidance
        vae = convert_ldm_vae_checkpoint(vae, read_json(configs / "vae" / "config.json"))
    except (KeyError, IndexError) as error:
        raise ModelError(f"'{origin}' is no Stable Diffusion 1.5 checkpoint: the tensor {one_line(error)} is missing "
                         "from one of its networks") from None
    return {"unet": unet, "vae": vae, "text_encoder": parts["text_encoder"]}


def _assemble(path, parts, dtypes, tokenizer_folder, configs):
    changes = {}
    scheduler = read_json(configs / "scheduler" / "scheduler_config.json")
    if GUIDANCE in parts["unet"]:
        changes = {"time_cond_proj_dim": parts["unet"][GUIDANCE].shape[1]}
        scheduler["_class_name"] = "LCMScheduler"
    models = {
        part: build(part, configs / part / "config.json", found, path, changes if part == "unet" else {})
        for part, found in parts.items()
    }
    tokenizer = Tokenizer.from_folder(tokenizer_folder)
    return assemble(path.stem, models, tokenizer, scheduler, dtypes)


def _refuse_others(path, tensors):
    others = {
        "conditioner.embedders.": "Stable Diffusion XL",
        "cond_stage_model.model.": "Stable Diffusion 2",
        "double_blocks.": "Flux",
        "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    }
    for prefix, model in others.items():
        if any(name.startswith(prefix) for name in tensors):
            raise ModelError(f"'{path}' is a {model} checkpoint ('{prefix}...'); Stable Diffusion 1.5 or LCM is needed")
