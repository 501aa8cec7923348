"""A CFM network with weights from a formula, so that tests in C++ and Python can compute the same weights."""

import math
import zlib

import torch

from .cfm_layout import full_config, tensor_shapes

SMALL = {
    "model_channels": 32,
    "num_res_blocks": 1,
    "attention_resolutions": [2],
    "channel_mult": [1, 2],
    "dim_head": 16,
    "num_heads": 2,
    "use_linear_attn": False,
}
PUBLISHED = {"use_linear_attn": False}


def formula_tensor(name, shape):
    """amp sin(12.9898 i + 2 pi crc32(name) / 2^32) at flat index i, + 1 for the norms' weights; in float64, rounded
    to float32. amp = sqrt(2 / fan_in), 0.1 for vectors."""
    count = math.prod(shape)
    amplitude = math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
    phase = 2 * math.pi * zlib.crc32(name.encode()) / 2**32
    values = torch.arange(count, dtype=torch.float64).mul_(12.9898).add_(phase).sin_().mul_(amplitude)
    is_norm = len(shape) == 1 and name.endswith(".weight")
    return values.add_(1.0 if is_norm else 0.0).float().reshape(shape)


def formula_cfm(changes, dtype=torch.float32):
    """(tensors, configuration)."""
    config = full_config(changes, "the formula network")
    tensors = {name: formula_tensor(name, shape).to(dtype) for name, shape in tensor_shapes(config).items()}
    return tensors, config
