#!/usr/bin/env python3
"""Writes the small pictures in tests/data/images with Pillow: what the project's own encoders cannot make.

Usage: make_images.py [FOLDER]. Pixel (x, y) of the 6x4 pattern is (40 x, 60 y, 10 (x + y)), and its grey value 30 x + 20 y.
"""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 6, 4
X, Y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
RGB = np.stack([40 * X, 60 * Y, 10 * (X + Y)], -1).astype(np.uint8)
GREY = (30 * X + 20 * Y).astype(np.uint8)
ALPHA = (50 * X).astype(np.uint8)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, color_type: int, rows: list[bytes], extra: bytes = b"", size=(WIDTH, HEIGHT)) -> bytes:
    """A PNG as Pillow does not write it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + png_chunk(b"IEND", b"")


def write_pngs(folder: Path) -> None:
    rgb = Image.fromarray(RGB)
    rgb.save(folder / "rgb.png")
    Image.fromarray(GREY).save(folder / "grey.png")
    Image.fromarray(np.stack([GREY, ALPHA], -1)).save(folder / "grey_alpha.png")
    Image.fromarray(np.concatenate([RGB, ALPHA[..., None]], -1)).save(folder / "rgba.png")
    Image.fromarray((X + Y) % 2 == 1).save(folder / "one_bit.png")
    palette = rgb.quantize(24)
    palette.save(folder / "palette.png", bits=8)
    transparent = palette.copy()
    transparent.save(folder / "palette_transparent.png", transparency=palette.getpixel((5, 0)))
    deep = (RGB.astype(np.uint16) * 257 + X[..., None]).astype(">u2")
    deep_grey = (GREY.astype(np.uint16) * 257 + 1).astype(">u2")
    (folder / "rgb16.png").write_bytes(png(16, 2, [row.tobytes() for row in deep]))
    (folder / "grey16.png").write_bytes(png(16, 0, [row.tobytes() for row in deep_grey]))
    # The colour (0, 0, 0) of the corner is the transparent one.
    key = png_chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0))
    (folder / "rgb_key.png").write_bytes(png(8, 2, [row.tobytes() for row in RGB], key))
    frames = [rgb, Image.fromarray(255 - RGB)]
    frames[0].save(folder / "animated.png", save_all=True, append_images=frames[1:], duration=100)
    # Only a header, of a picture that would take 10 GB.
    (folder / "header_60000.png").write_bytes(png(8, 2, [], size=(60000, 60000)))


def write_jpegs(folder: Path) -> None:
    """Smooth ramps of 16x16 pixels: a lossy format keeps them to a step or two."""
    ramp = np.add.outer(np.arange(16), np.arange(16)) * 8
    grey = Image.fromarray(ramp.astype(np.uint8))
    grey.save(folder / "grey.jpg", quality=95)
    rgb = Image.merge("RGB", [grey, grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Image.new("L", (16, 16), 128)])
    rgb.save(folder / "progressive.jpg", quality=95, progressive=True, subsampling=0)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    rgb.save(folder / "rotated.jpg", quality=95, subsampling=0, exif=exif)
    # Pillow writes Adobe's upside-down CMYK; no ink is 0 here.
    ink = [Image.new("L", (16, 16), 0), grey, Image.new("L", (16, 16), 0), Image.new("L", (16, 16), 51)]
    Image.merge("CMYK", ink).save(folder / "cmyk.jpg", quality=95)


def write_others(folder: Path) -> None:
    rgb, inverse = Image.fromarray(RGB), Image.fromarray(255 - RGB)
    rgb.save(folder / "lossless.webp", lossless=True, exact=True)
    rgb.save(folder / "animated.webp", save_all=True, append_images=[inverse], duration=100, lossless=True)
    palette = rgb.quantize(24)
    palette.save(folder / "still.gif")
    palette.save(folder / "animated.gif", save_all=True, append_images=[inverse.quantize(24)], duration=100)
    for suffix in ("bmp", "tga", "ppm"):
        rgb.save(folder / f"rgb.{suffix}")
    Image.fromarray(GREY).save(folder / "grey.pgm")
    # Photoshop's format, raw: three planes.
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, HEIGHT, WIDTH, 8, 3) + struct.pack(">III", 0, 0, 0)
    planes = b"".join(RGB[..., channel].tobytes() for channel in range(3))
    (folder / "rgb.psd").write_bytes(header + struct.pack(">H", 0) + planes)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    write_pngs(folder)
    write_jpegs(folder)
    write_others(folder)


if __name__ == "__main__":
    main()
