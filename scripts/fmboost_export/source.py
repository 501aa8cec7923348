"""A model to export, in any storage format: its components in float32 and their stored dtypes."""

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
    dtypes: dict  # component -> dtype as stored


CLASSES = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}


def build(component, config_file, tensors, origin, changes=None):
    """Builds the component of `config_file` with exactly `tensors`, in float32. `origin`: their source, for errors."""
    config = read_json(config_file) | (changes or {})
    try:
        if component == "text_encoder":
            config.pop("dtype", config.pop("torch_dtype", None))
            model = CLIPTextModel(CLIPTextConfig(**config))
            tensors = _match_prefix(tensors, model.state_dict())
        else:
            with torch.device("meta"):
                model = CLASSES[component].from_config(config)
    except Exception as error:  # the libraries raise various types
        raise ModelError(f"'{config_file}' does not describe a {CLASSES[component].__name__}: {one_line(error)}") from None
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check_shapes(tensors, wanted, origin, f"a {CLASSES[component].__name__} of its configuration")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.eval().requires_grad_(False)


def _match_prefix(tensors, wanted):
    """Text encoders are stored with or without the prefix text_model., older ones with position ids."""
    prefix = "text_model."
    kept = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if "position_ids" not in name}
    with_prefix = next(iter(wanted)).startswith(prefix)
    return {prefix + name if with_prefix else name: tensor for name, tensor in kept.items()}


def read_folder(folder):
    """The tensors in a component's folder, and their file."""
    stems = ("diffusion_pytorch_model", "model", "pytorch_model")
    for stem in stems:
        for suffix in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"):
            path = folder / (stem + suffix)
            if path.is_file():
                tensors = (read_safetensors if suffix.endswith("safetensors") else read_pickle)(path)
                if not isinstance(tensors, dict) or not all(isinstance(x, torch.Tensor) for x in tensors.values()):
                    raise ModelError(f"'{path}' must contain only named tensors")
                return tensors, path
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            shards = sorted(set(read_json(index).get("weight_map", {}).values()))
            tensors = {}
            for shard in shards:
                tensors.update(read_safetensors(folder / Path(shard).name))
            return tensors, index
    raise ModelError(f"'{folder}' contains no weights, expected {stems[0]}.safetensors or {stems[1]}.safetensors")


# Names of attention layers in autoencoders saved before diffusers 0.17.
OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def _rename_attention(tensors):
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in OLD_ATTENTION.items():
            if ".attentions." in name:
                name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def assemble(name, components, tokenizer, scheduler, dtypes):
    """Returns a Source, after checking that the tokenizer matches the text encoder."""
    config = components["text_encoder"].config
    tokenizer.max_length = tokenizer.max_length or config.max_position_embeddings
    if tokenizer.max_length != config.max_position_embeddings:
        raise ModelError(f"'{name}': the tokenizer returns {tokenizer.max_length} tokens, the text encoder expects "
                         f"{config.max_position_embeddings}")
    largest = max(tokenizer.vocab.values())
    if largest >= config.vocab_size:
        raise ModelError(f"'{name}': the tokenizer has token id {largest}, the text encoder has "
                         f"{config.vocab_size} tokens")
    return Source(name=name, tokenizer=tokenizer, scheduler=scheduler, dtypes=dtypes, **components)


def load_folder(folder):
    """Loads a diffusers folder: unet, vae, text_encoder, tokenizer and scheduler, each with its configuration."""
    components, dtypes = {}, {}
    for component in CLASSES:
        config = folder / component / "config.json"
        if not config.is_file():
            raise ModelError(f"'{folder}' is not a Stable Diffusion 1.5 or LCM folder: it has no {component}/config.json")
        tensors, origin = read_folder(folder / component)
        dtypes[component] = stored_dtype(tensors)
        components[component] = build(component, config, _rename_attention(tensors) if component == "vae" else tensors, origin)
    return assemble(
        name=folder.resolve().name,
        tokenizer=Tokenizer.from_folder(folder / "tokenizer"),
        scheduler=read_json(folder / "scheduler" / "scheduler_config.json"),
        dtypes=dtypes,
        components=components,
    )
