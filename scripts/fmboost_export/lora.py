"""Low-rank adapters, in diffusers', PEFT's or kohya's layout, fused into the weights."""

import logging
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from .errors import ModelError, UsageError, one_line
from .files import read_safetensors


def parse_lora(text):
    """FILE or FILE:WEIGHT -> (path, weight). A file whose own name has a colon is recognised."""
    path, colon, weight = text.rpartition(":")
    if not colon or Path(text).is_file():
        return Path(text), 1.0
    try:
        return Path(path), float(weight)
    except ValueError:
        raise UsageError(f"--lora takes FILE or FILE:WEIGHT, the weight a number; found '{text}'") from None


def fuse(source, path, weight):
    """Adds weight * (the adapter's change) to the source's UNet and text encoder."""
    if not path.is_file():
        raise UsageError(f"the LoRA file '{path}' does not exist")
    tensors = read_safetensors(path)
    before = _fingerprint(source)
    pipeline = StableDiffusionPipeline(
        vae=source.vae, text_encoder=source.text_encoder, tokenizer=None, unet=source.unet, scheduler=None,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    # The library warns about layers that it does not find; here they are an error.
    lost = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lost.append(record.getMessage())
    logger = logging.getLogger("diffusers")
    logger.addHandler(handler)
    try:
        pipeline.load_lora_weights(tensors, adapter_name="adapter")
        pipeline.fuse_lora(lora_scale=weight)
        pipeline.unload_lora_weights()
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"the LoRA '{path}' does not fit this model: {one_line(error)[:300]}") from None
    finally:
        logger.removeHandler(handler)
    unexpected = [message for message in lost if "unexpected keys" in message]
    if unexpected:
        raise ModelError(f"the LoRA '{path}' has layers that this model has not: {one_line(unexpected[0])[:300]}")
    if weight != 0 and _fingerprint(source) == before:
        raise ModelError(f"the LoRA '{path}' changes nothing: none of its {len(tensors)} tensors belongs to this model")


def _fingerprint(source):
    with torch.no_grad():
        return [
            float(tensor.double().abs().sum())
            for model in (source.unet, source.text_encoder)
            for tensor in model.state_dict().values()
        ]
