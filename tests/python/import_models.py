"""Small models whose configurations can be inferred from their shapes, saved in both layouts."""

import json

import torch
from fmboost_export.random_models import random_components
from ldm_layout import to_ldm
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

# A file in the original layout has no configuration: 8 heads, and one for every 64 numbers of text.
UNET = {"attention_head_dim": 8, "cross_attention_dim": 64}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "hidden_act": "quick_gelu",
}
COMPONENTS = {"unet": "denoiser", "vae": "autoencoder", "text_encoder": "text_encoder"}


def text_encoder(**changes):
    ids = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
    return CLIPTextModel(CLIPTextConfig(**(TEXT | ids | changes))).eval().requires_grad_(False)


def make_components(seed=0, guidance_embedding=None, **unet):
    components = random_components(seed, guidance_embedding=guidance_embedding, unet=UNET | unet)
    torch.manual_seed(seed)
    return components | {"text_encoder": text_encoder()}


def make_version_2(seed=0):
    """Stable Diffusion 2: projections as matrices, 64 channels per head, OpenCLIP's text encoder."""
    linear = {"use_linear_projection": True, "block_out_channels": [64, 128], "attention_head_dim": [1, 2]}
    components = make_components(seed, **linear)
    return components | {"text_encoder": text_encoder(hidden_act="gelu")}


def save_single(components, path, dtype=torch.float32, metadata=None):
    tensors = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in to_ldm(**components).items()
    }
    save_file(tensors, path, metadata)
    return path


def to_openclip(text_encoder):
    """Its tensors as in Stable Diffusion 2's files: fused projections, and an unused last block."""
    config, state = text_encoder.config, text_encoder.state_dict()
    state = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc",
             "mlp.fc2": "mlp.c_proj"}  # fmt: skip
    tensors = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": torch.rand(config.hidden_size, config.hidden_size),
        "logit_scale": torch.tensor(4.6),
    }
    for i in range(config.num_hidden_layers + 1):
        old = f"encoder.layers.{min(i, config.num_hidden_layers - 1)}."
        new = f"transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            fused = [state[f"{old}self_attn.{name}_proj.{kind}"] for name in "qkv"]
            tensors[f"{new}attn.in_proj_{kind}"] = torch.cat(fused)
            tensors |= {f"{new}{b}.{kind}": state[f"{old}{a}.{kind}"] for a, b in names.items()}
    return {f"cond_stage_model.model.{name}": tensor.clone() for name, tensor in tensors.items()}


def save_version_2(components, path, metadata=None):
    tensors = {name: x for name, x in to_ldm(**components).items() if not name.startswith("cond_stage_model.")}
    save_file(tensors | to_openclip(components["text_encoder"]), path, metadata)
    return path


def description(bundle):
    return json.loads((bundle / "bundle.json").read_text())


def tensors_of(bundle, component):
    return load_file(bundle / f"{COMPONENTS[component]}.safetensors")


def expected_tensors(components, component):
    tensors = components[component].state_dict()
    if component == "text_encoder":
        return {"text_model." + name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    return tensors


def assert_tensors_equal(bundle, components, dtype=None):
    """The tensors of every component are exactly those of the models."""
    for component in COMPONENTS:
        found, expected = tensors_of(bundle, component), expected_tensors(components, component)
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            wanted = tensor if dtype is None else tensor.to(dtype)
            assert torch.equal(found[name], wanted) and found[name].dtype == wanted.dtype, name
