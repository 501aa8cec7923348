"""Renames diffusers' tensors to the original layout, the inverse of the exporter's conversion."""

import re

import torch

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _replace_first(name, table):
    for old, new in table.items():
        if name.startswith(old + "."):
            return new + name[len(old) :]
    return name


def unet_name(name, layers, has_attention):
    """`layers`: layers_per_block; `has_attention`: for every up block."""
    block = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
    if not block:
        renamed = _replace_first(name, UNET_ENDS)
        if "resnets" in name:
            head, rest = renamed.split(".", 2)[:2], renamed.split(".", 2)[2]
            renamed = ".".join([*head, _replace_first(rest, RESNET)])
        return renamed
    side, i, kind, j, rest = block[1], int(block[2]), block[3], int(block[4]), block[5]
    group = "input_blocks" if side == "down" else "output_blocks"
    index = (layers + 1) * i + j + (side == "down")
    if kind == "resnets":
        return f"{group}.{index}.0.{_replace_first(rest, RESNET)}"
    if kind == "attentions":
        return f"{group}.{index}.1.{rest}"
    if kind == "downsamplers":
        return f"input_blocks.{(layers + 1) * (i + 1)}.0.op.{rest.removeprefix('conv.')}"
    return f"output_blocks.{(layers + 1) * i + layers}.{2 if has_attention[i] else 1}.{rest}"


def vae_name(name, blocks):
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)", lambda m: f"up.{blocks - 1 - int(m[1])}.block.{m[2]}", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    head, attention, rest = name.partition("mid_block.attentions.0.")
    return head + "mid.attn_1." + _replace_first(rest, VAE_ATTENTION) if attention else name


def to_ldm(unet, vae, text_encoder):
    """The tensors of a single file in the original layout."""
    config, tensors = unet.config, {}
    has_attention = ["CrossAttn" in kind for kind in config.up_block_types]
    for name, tensor in unet.state_dict().items():
        tensors["model.diffusion_model." + unet_name(name, config.layers_per_block, has_attention)] = tensor
    for name, tensor in vae.state_dict().items():
        if ".attentions." in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]  # convolutions in the original layout
        tensors["first_stage_model." + vae_name(name, len(vae.config.block_out_channels))] = tensor
    prefix = "cond_stage_model.transformer.text_model."
    for name, tensor in text_encoder.state_dict().items():
        tensors[prefix + name.removeprefix("text_model.")] = tensor
    tensors[prefix + "embeddings.position_ids"] = torch.arange(text_encoder.config.max_position_embeddings)[None]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
