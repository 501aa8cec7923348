#!/usr/bin/env python3
"""Fits the NIQE model of `fmboost eval upscale --niqe` to a folder of photographs and writes it as a safetensors file."""

import argparse
from pathlib import Path

import numpy as np
from fmboost_export import niqe
from PIL import Image
from safetensors.numpy import save_file

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def photographs(folder, smallest):
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        image = Image.open(path).convert("RGB")
        if min(image.size) >= smallest:
            yield np.asarray(image)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder of sharp photographs, including its subfolders")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--smallest", type=int, default=384, help="leave out images with a shorter side")
    arguments = parser.parse_args()
    images = photographs(arguments.photographs, arguments.smallest)
    mean, covariance = niqe.fit(images)
    save_file({"mean": mean, "covariance": covariance}, arguments.output)


if __name__ == "__main__":
    main()
