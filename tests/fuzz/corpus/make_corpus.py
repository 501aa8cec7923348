#!/usr/bin/env python3
"""Writes the small seeds beside it. Images and manifests start from tests/fixtures/images and models/default."""

import json
import struct
from pathlib import Path

HERE = Path(__file__).parent


def safetensors(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def names(*tensors: str) -> bytes:
    """A file of empty tensors with these names."""
    return safetensors({name: {"dtype": "F32", "shape": [0, 4, 1, 1], "data_offsets": [0, 0]} for name in tensors})


def torch_save(legacy: bool) -> bytes:
    """A state dict as torch.save writes it; needs torch."""
    import io

    import torch

    base = torch.arange(6.0)
    state = {"state_dict": {"a": base[:4].view(2, 2), "b": base.half(), "step": torch.tensor(3)}, "epoch": 1}
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def main() -> None:
    a = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
    b = {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]}
    empty = {"dtype": "BF16", "shape": [0, 4], "data_offsets": [11, 11]}
    seeds = {
        "safetensors/empty": safetensors({}),
        "safetensors/metadata": safetensors({"__metadata__": {"format": "pt"}}),
        "safetensors/tensors": safetensors({"a": a, "b": b, "c": empty}, bytes(range(11))),
        "checkpoint/unet": names("input_blocks.0.0.weight", "input_blocks.1.0.in_layers.0.weight",
                                 "input_blocks.1.1.proj_in.weight", "input_blocks.2.0.op.weight",
                                 "output_blocks.0.2.conv.weight"),
        "checkpoint/autoencoder": names("encoder.down.0.block.0.nin_shortcut.weight", "decoder.up.1.upsample.conv.bias",
                                        "decoder.mid.attn_1.q.weight", "encoder.layers.3.conv.0.weight"),
        "checkpoint/openclip": names("transformer.resblocks.0.attn.in_proj_weight", "transformer.resblocks.1.ln_1.bias"),
        "checkpoint/lora": names("lora_unet_mid_block_x.lora_down.weight", "unet.mid.processor.to_q_lora.up.weight"),
        "torch_file/archive": torch_save(legacy=False),
        "torch_file/legacy": torch_save(legacy=True),
        "tokenizers/plain": b"a photo of a cat, 2024",
        "tokenizers/unicode": "Café \u0130 e\u0301 \U0001f600 中文\u3000don't".encode(),
        "tokenizers/special": b"<|startoftext|>x<|endoftext|>y <|EndOfText|>",
        "tokenizers/words": b"red house, lake at night",
        "exif/big": b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        "exif/little": b"II\x2a\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0"
        b"\x01\0\x86\x92\x07\0\x0c\0\0\0\x2c\0\0\0\0\0\0\0UNICODE\0h\0\xe9\0",
        # FuzzedDataProvider takes numbers from the end and texts from the start.
        "png_chunks/text": b"parameters\0a cat\\Ztext\\Z\0\0\3\1",
    }
    for name, content in seeds.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
