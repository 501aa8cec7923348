"""A model to export, whatever it was stored as: its parts in float32, and the types they were stored in."""

import dataclasses
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from .errors import ModelError, one_line
from .files import check_shapes, read_json, read_pickle, read_safetensors, stored_dtype
from .tokenizer import Tokenizer


@dataclasses.dataclass
class Source:
    name: str
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: Tokenizer
    scheduler: dict  # scheduler_config.json
    dtypes: dict  # part -> dtype as stored


CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}


def build(part, config_file, tensors, origin, changes=None):
    """The part of `config_file` with exactly `tensors`, in float32. `origin` names where they are from."""
    config = read_json(config_file) | (changes or {})
    try:
        if part == "text_encoder":
            config.pop("dtype", config.pop("torch_dtype", None))
            model = CLIPTextModel(CLIPTextConfig(**config))
            tensors = _match_prefix(tensors, model.state_dict())
        else:
            with torch.device("meta"):
                model = CLASSES[part].from_config(config)
    except Exception as error:  # what the libraries raise for a senseless configuration is their own affair
        raise ModelError(f"'{config_file}' does not describe a {CLASSES[part].__name__}: {one_line(error)}") from None
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check_shapes(tensors, wanted, origin, f"a {CLASSES[part].__name__} of its configuration")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.eval().requires_grad_(False)


def _match_prefix(tensors, wanted):
    """Text encoders are stored with and without a leading text_model., and older ones with their position ids."""
    prefix = "text_model."
    kept = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if "position_ids" not in name}
    with_prefix = next(iter(wanted)).startswith(prefix)
    return {prefix + name if with_prefix else name: tensor for name, tensor in kept.items()}


def read_folder(folder):
    """The tensors of a part's folder, and the file they are from."""
    stems = ("diffusion_pytorch_model", "model", "pytorch_model")
    for stem in stems:
        for suffix in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"):
            path = folder / (stem + suffix)
            if path.is_file():
                tensors = (read_safetensors if suffix.endswith("safetensors") else read_pickle)(path)
                if not isinstance(tensors, dict) or not all(isinstance(x, torch.Tensor) for x in tensors.values()):
                    raise ModelError(f"'{path}' must hold named tensors and nothing else")
                return tensors, path
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            shards = sorted(set(read_json(index).get("weight_map", {}).values()))
            tensors = {}
            for shard in shards:
                tensors.update(read_safetensors(folder / Path(shard).name))
            return tensors, index
    raise ModelError(f"'{folder}' holds no weights: {stems[0]}.safetensors or {stems[1]}.safetensors was expected")


# Autoencoders saved before diffusers 0.17 name their attention's layers so.
OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def _rename_attention(tensors):
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in OLD_ATTENTION.items():
            if ".attentions." in name:
                name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def assemble(name, parts, tokenizer, scheduler, dtypes):
    """A Source whose tokenizer fits its text encoder."""
    config = parts["text_encoder"].config
    tokenizer.max_length = tokenizer.max_length or config.max_position_embeddings
    if tokenizer.max_length != config.max_position_embeddings:
        raise ModelError(f"'{name}': the tokenizer gives {tokenizer.max_length} tokens, the text encoder reads "
                         f"{config.max_position_embeddings}")
    largest = max(tokenizer.vocab.values())
    if largest >= config.vocab_size:
        raise ModelError(f"'{name}': the tokenizer has a token of id {largest}, the text encoder knows "
                         f"{config.vocab_size} tokens")
    return Source(name=name, tokenizer=tokenizer, scheduler=scheduler, dtypes=dtypes, **parts)


def load_folder(folder):
    """A diffusers folder: unet, vae, text_encoder, tokenizer and scheduler, each with its configuration."""
    parts, dtypes = {}, {}
    for part in CLASSES:
        config = folder / part / "config.json"
        if not config.is_file():
            raise ModelError(f"'{folder}' is not a Stable Diffusion 1.5 or LCM folder: it has no {part}/config.json")
        tensors, origin = read_folder(folder / part)
        dtypes[part] = stored_dtype(tensors)
        parts[part] = build(part, config, _rename_attention(tensors) if part == "vae" else tensors, origin)
    return assemble(
        name=folder.resolve().name,
        tokenizer=Tokenizer.from_folder(folder / "tokenizer"),
        scheduler=read_json(folder / "scheduler" / "scheduler_config.json"),
        dtypes=dtypes,
        parts=parts,
    )
