"""Checkpoints in the original layout: one .safetensors file with UNet, autoencoder and text encoder."""

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

# Names of LCM's guidance layer in such files; no original defines one.
GUIDANCE = "time_embedding.cond_proj.weight"
GUIDANCE_NAMES = ("time_embed.cond_proj.weight", GUIDANCE)


def load_single_file(path, tokenizer_folder, configs=SD15_CONFIGS):
    """`configs`: folder with the components' configurations, as in a diffusers folder; the file has none."""
    if path.suffix != ".safetensors":
        raise UsageError(f"'{path}' must be a diffusers folder or a .safetensors file")
    tensors = read_safetensors(path)
    _refuse_others(path, tensors)
    components = split(tensors, path)
    dtypes = {component: stored_dtype(found) for component, found in components.items()}
    return _assemble(path, convert(components, path, configs), dtypes, tokenizer_folder, configs)


def split(tensors, origin):
    """The tensors of every component without its prefix."""
    components = {}
    for component, prefix in PREFIXES.items():
        components[component] = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
        if not components[component]:
            raise ModelError(f"'{origin}' is not a Stable Diffusion 1.5 checkpoint in the original layout: no tensor "
                             f"name starts with '{prefix}'")
    return components


def convert(components, origin, configs):
    """The same tensors under diffusers' names."""
    unet, vae = (
        {PREFIXES[component] + name: tensor for name, tensor in components[component].items()} for component in ("unet", "vae")
    )
    guidance = {GUIDANCE: components["unet"][name] for name in GUIDANCE_NAMES if name in components["unet"]}
    try:
        unet = convert_ldm_unet_checkpoint(unet, read_json(configs / "unet" / "config.json")) | guidance
        vae = convert_ldm_vae_checkpoint(vae, read_json(configs / "vae" / "config.json"))
    except (KeyError, IndexError) as error:
        raise ModelError(f"'{origin}' is not a Stable Diffusion 1.5 checkpoint: the tensor {one_line(error)} is missing "
                         "from one of its networks") from None
    return {"unet": unet, "vae": vae, "text_encoder": components["text_encoder"]}


def _assemble(path, components, dtypes, tokenizer_folder, configs):
    changes = {}
    scheduler = read_json(configs / "scheduler" / "scheduler_config.json")
    if GUIDANCE in components["unet"]:
        changes = {"time_cond_proj_dim": components["unet"][GUIDANCE].shape[1]}
        scheduler["_class_name"] = "LCMScheduler"
    models = {
        component: build(component, configs / component / "config.json", found, path, changes if component == "unet" else {})
        for component, found in components.items()
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
