"""Encodes and decodes images with the autoencoder, so that `fmboost eval pairs` can say what it loses.

  reconstruct.py AUTOENCODER FOLDER -o RECONSTRUCTED          (a file of train_autoencoder.py, or a bundle: models/default)
  fmboost eval pairs RECONSTRUCTED FOLDER
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from networks import FACTOR, load_autoencoder
from PIL import Image
from torch.nn import functional as F

MARGIN = 4 * FACTOR  # of reflection around the image, as fmboost has it: zero padding shows at borders


@torch.no_grad()
def reconstruct(model, image):
    pixels = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    height, width = pixels.shape[2:]
    beyond = [MARGIN + -width % FACTOR, MARGIN + -height % FACTOR]
    padded = F.pad(pixels, (MARGIN, beyond[0], MARGIN, beyond[1]), mode="reflect")
    made = model.decoder(model.encoder(padded))[0, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    return Image.fromarray(((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("autoencoder", help="of train_autoencoder.py, or a bundle")
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    model = load_autoencoder(arguments.autoencoder)[0].eval()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.images.glob("*.png")):
        reconstruct(model, Image.open(path)).save(arguments.output / path.name)


if __name__ == "__main__":
    main()
