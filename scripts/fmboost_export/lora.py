"""Fuses LoRA adapters in the layouts of diffusers, PEFT or kohya into the weights."""

import re
from collections import Counter
from pathlib import Path

from .errors import ModelError, UsageError, one_line
from .files import read_safetensors

# Names of the first of a layer's two factors in these layouts.
DOWN = re.compile(r"lora_A\.|lora_down\.|lora\.down\.|_lora\.down\.|lora_linear_layer\.down\.")


def parse_lora(text):
    """FILE or FILE:WEIGHT -> (path, weight). Existing files with a colon in their names are supported."""
    path, colon, weight = text.rpartition(":")
    if not colon or Path(text).is_file():
        path, weight = text, "1"
    try:
        weight = float(weight)
    except ValueError:
        raise UsageError(f"--lora must be FILE or FILE:WEIGHT with a number as weight, got '{text}'") from None
    if not Path(path).is_file():
        raise UsageError(f"the LoRA file '{path}' does not exist")
    return Path(path), weight


def fuse(source, path, weight):
    """Adds weight * (the adapter's change) to the source's UNet and text encoder."""
    factors = {name: tensor for name, tensor in read_safetensors(path).items() if DOWN.search(name)}
    if not factors:
        raise ModelError(f"'{path}' is not a LoRA: it has no tensor named lora_A, lora_down or lora.down")
    from diffusers import StableDiffusionPipeline  # slow to import, and only needed here

    pipeline = StableDiffusionPipeline(
        vae=source.vae, text_encoder=source.text_encoder, tokenizer=None, unet=source.unet, scheduler=None,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    try:
        pipeline.load_lora_weights(str(path.parent), weight_name=path.name, local_files_only=True)
        _check_all_found(source, factors, path)
        pipeline.fuse_lora(lora_scale=weight)
        pipeline.unload_lora_weights()
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"the LoRA '{path}' does not fit this model: {one_line(error)[:300]}") from None


def _check_all_found(source, factors, path):
    """diffusers silently drops layers that do not fit; here that is an error."""

    def mark(tensor):
        return tensor.numel(), float(tensor.double().sum())

    placed = Counter(
        mark(parameter)
        for model in (source.unet, source.text_encoder)
        for name, parameter in model.named_parameters()
        if ".lora_A." in name
    )
    lost = []
    for name, tensor in factors.items():
        if placed[mark(tensor)] == 0:
            lost.append(name)
        placed[mark(tensor)] -= 1
    if lost:
        raise ModelError(
            f"the LoRA '{path}' does not fit this model: {len(lost)} of its {len(factors)} layers do not exist in it, "
            f"for example '{lost[0]}'"
        )
