"""Checkpoints of the published trainer: extracts the network's tensors and infers its configuration."""

import torch

from .cfm_layout import DEFAULTS, full_config, tensor_shapes
from .errors import ModelError
from .files import check_shapes, read_pickle

PREFIXES = {"ema": "ema_model.ema_model.net.", "online": "model.net."}


def read_checkpoint(path, weights):
    """The network's tensors under their published names."""
    checkpoint = read_pickle(path)
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise ModelError(f"'{path}' is not a trainer checkpoint: it has no state_dict")
    prefix = PREFIXES[weights]
    tensors = {
        str(name).removeprefix(prefix): value
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and str(name).startswith(prefix)
    }
    if not tensors:
        names = [str(name) for name in state]
        other = next((key for key, start in PREFIXES.items() if any(name.startswith(start) for name in names)), None)
        hint = f"; it has {other} weights: --weights {other}" if other else ""
        raise ModelError(f"'{path}' has no {weights} weights: no tensor name starts with '{prefix}'{hint}")
    return tensors


def infer_config(tensors, origin, given=None):
    """Infers the configuration from the shapes; `given` has what shapes cannot tell (heads, linear attention, dropout)."""
    try:
        inferred = _from_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()}, given or {})
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"'{origin}' does not contain the published CFM network: {error} is missing or invalid") from None
    config = full_config(DEFAULTS | inferred | (given or {}), origin)
    check_shapes(tensors, tensor_shapes(config), origin, "the network configuration inferred from its shapes")
    return config


def _from_shapes(shapes, given):
    m = shapes["time_embed.0.weight"][1]
    pool = shapes.get("pool.down_conv.weight")
    levels = _levels(shapes)
    first = levels[0][0]
    inner = shapes["middle_block.1.qkv.weight"][0] // 3
    heads = given.get("num_heads", DEFAULTS["num_heads"])
    return {
        "in_channels": (pool or shapes["input_blocks.0.0.weight"])[1],
        "model_channels": m,
        "out_channels": shapes["un_pool.up_conv.weight"][1] if pool else shapes["out.2.weight"][0],
        "num_res_blocks": len(levels[0]),
        "attention_resolutions": [2**i for i, level in enumerate(levels) if f"{level[0]}.1.qkv.weight" in shapes],
        "channel_mult": [shapes[f"{level[0]}.0.in_layers.2.weight"][0] // m for level in levels],
        "conv_resample": len(levels) == 1 or any(name.endswith(".0.op.weight") for name in shapes),
        "dim_head": inner // heads,
        "num_heads": heads,
        "use_scale_shift_norm": shapes[f"{first}.0.emb_layers.1.weight"][0]
        == 2 * shapes[f"{first}.0.in_layers.2.weight"][0],
        "pool_factor": pool[2] if pool else DEFAULTS["pool_factor"],
    }


def _levels(shapes):
    """Names of the residual blocks by level: another kind of block, or a gap, ends a level."""
    last = max(int(name.split(".")[1]) for name in shapes if name.startswith("input_blocks."))
    levels = [[]]
    for index in range(1, last + 1):
        if f"input_blocks.{index}.0.in_layers.2.weight" in shapes:
            levels[-1].append(f"input_blocks.{index}")
        else:
            levels.append([])
    return levels
