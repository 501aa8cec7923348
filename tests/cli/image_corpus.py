"""Image files of every kind: whole, damaged, truncated, and of formats that are not read.

  image_corpus.py FOLDER

writes them all, for a fuzzer or a run under a sanitizer.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from images import ramp
from PIL import Image, features
from runner import ROOT

WIDTH, HEIGHT = 25, 17  # odd, so that rows end within bytes and words
RGB = np.asarray(ramp(WIDTH, HEIGHT))
GRAY = RGB[..., 0]


def pnm(kind, samples, maximum, *, plain=False, comment=b""):
    head = b"P%d\n%s%d %d\n" % (kind, comment, samples.shape[1], samples.shape[0])
    head += b"" if kind in (1, 4) else b"%d\n" % maximum
    if plain:
        return head + b"\n".join(b" ".join(b"%d" % v for v in row.ravel()) for row in samples)
    if kind == 4:
        return head + np.packbits(samples, axis=1).tobytes()
    return head + samples.astype(">u2" if maximum > 255 else "u1").tobytes()


def pam(samples, maximum, kind):
    head = b"P7\n# made by a test\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n" % (
        samples.shape[1], samples.shape[0], samples.shape[2], maximum, kind)  # fmt: skip
    return head + samples.astype(">u2" if maximum > 255 else "u1").tobytes()


def scaled(samples, maximum):
    return np.round(samples.astype(float) * maximum / 255).astype(int)


def bmp(pixels, bits, *, size=40, compression=0, palette=b"", masks=b"", gap=0, height=HEIGHT, used=0):
    start = 14 + size + len(masks) + len(palette) + gap
    head = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    if size == 12:
        head += struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    else:
        head += struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(pixels), 2835, 2835, used, 0)
        head += bytes(size - 40)
    return head + masks + palette + bytes(gap) + pixels


def rows(array, bits):
    """Rows from the bottom, each filled to a multiple of four bytes."""
    lines = [bytes(row) for row in array[::-1]]
    return b"".join(line + bytes(-len(line) % 4) for line in lines)


INDICES = (np.arange(HEIGHT)[:, None] + np.arange(WIDTH)) % 16
PALETTE = bytes(v for i in range(16) for v in (i * 16, 255 - i * 16, i * 8, 0))
COLORS = np.array([[i * 8, 255 - i * 16, i * 16] for i in range(16)], np.uint8)[INDICES]


def packed(indices, bits):
    values = np.unpackbits(indices.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(values.reshape(HEIGHT, -1), axis=1)


def run_lengths(indices, bits):
    """Every second pair of rows as runs of one pixel, the others as literal runs with their padding."""
    out = b""
    for y, row in enumerate(indices[::-1]):
        if y % 2:
            out += b"".join(bytes([1, int(v) << 4 if bits == 4 else int(v)]) for v in row)
        else:
            literal = packed(np.tile(row, (HEIGHT, 1)), 4)[0].tobytes() if bits == 4 else bytes(row.astype(np.uint8))
            out += bytes([0, WIDTH]) + literal + bytes(len(literal) % 2)
        out += b"\0\0"
    return out + b"\0\1"


def masked(fields, bits):
    """Pixels with these (mask, samples of 8 bits)."""
    value = np.zeros((HEIGHT, WIDTH), np.uint32)
    for mask, samples in fields:
        low = (mask & -mask).bit_length() - 1
        value |= scaled(samples, mask >> low).astype(np.uint32) << low
    return rows(value.astype(f"<u{bits // 8}").view(np.uint8).reshape(HEIGHT, -1), bits)


BGR = RGB[..., ::-1].reshape(HEIGHT, -1)
R, G, B = (RGB[..., i] for i in range(3))
MASKS_565 = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
MASKS_1010102 = struct.pack("<IIII", 0x3FF00000, 0xFFC00, 0x3FF, 0)
V4_MASKS = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def v5(pixels):
    """A header of 124 bytes whose masks are within."""
    file = bytearray(bmp(pixels, 32, size=124, compression=3))
    file[54:70] = V4_MASKS
    return bytes(file)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiff(array, *, photometric, bits=None, compression=1, sample_format=1, planar=1, tile=None, order="<", extra=None, fields=()):
    """A TIFF written by hand, for what Pillow does not write."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    array = array.reshape(height, width, channels)
    bits = bits or array.dtype.itemsize * 8
    planes = [array[..., i : i + 1] for i in range(channels)] if planar == 2 else [array]
    if tile:
        blocks = [np.pad(plane[y : y + tile, x : x + tile],
                         [(0, tile - min(tile, height - y)), (0, tile - min(tile, width - x)), (0, 0)])
                  for plane in planes for y in range(0, height, tile) for x in range(0, width, tile)]  # fmt: skip
    else:
        blocks = [plane[y : y + 5] for plane in planes for y in range(0, height, 5)]
    raw = [b"".join(pack(line, bits, order) for line in block) for block in blocks]
    data = [zlib.compress(block) if compression == 8 else block for block in raw]
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [compression]),
            262: (3, [photometric]), 277: (3, [channels]), 284: (3, [planar]), 339: (3, [sample_format] * channels)}  # fmt: skip
    tags |= {338: (3, [extra])} if extra is not None else {}
    tags |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [5])}
    tags |= dict(fields)
    at, positions, body = 8, [], b""
    for block in data:
        positions.append(at + len(body))
        body += block + bytes(len(block) % 2)
    tags[324 if tile else 273], tags[325 if tile else 279] = (4, positions), (4, [len(block) for block in data])
    directory = at + len(body)
    after = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(content) > 4:
            entries += struct.pack(f"{order}HHII", tag, kind, len(numbers), after + len(values))
            values += content + bytes(len(content) % 2)
        else:
            entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values


def pack(line, bits, order):
    if bits in (8, 16, 32, 64):
        return line.astype(line.dtype.newbyteorder(order)).tobytes()
    values = (line.astype(np.uint32).ravel()[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(values.ravel().astype(np.uint8)).tobytes()


RGB16 = (RGB.astype(np.uint16) << 8) + 0x55
CMYK = np.stack([255 - R, 255 - G, 255 - B, np.zeros_like(R)], -1)

# name: (content, the expected samples, their maximum, largest mean squared error of 255).
EXACT = 1e-4
CORPUS = {
    "p6_65535.ppm": (pnm(6, RGB16, 65535), RGB16, 65535, EXACT),
    "p5_1023.pgm": (pnm(5, scaled(GRAY, 1023), 1023), scaled(GRAY, 1023), 1023, EXACT),
    "p6_15.ppm": (pnm(6, scaled(RGB, 15), 15), scaled(RGB, 15), 15, EXACT),
    "p5_1.pgm": (pnm(5, scaled(GRAY, 1), 1), scaled(GRAY, 1), 1, EXACT),
    "p6_255_comment.ppm": (pnm(6, RGB, 255, comment=b"# a comment\n#\n"), RGB, 255, EXACT),
    "p3_300.ppm": (pnm(3, scaled(RGB, 300), 300, plain=True), scaled(RGB, 300), 300, EXACT),
    "p2_7.pgm": (pnm(2, scaled(GRAY, 7), 7, plain=True), scaled(GRAY, 7), 7, EXACT),
    "p1.pbm": (pnm(1, 1 - scaled(GRAY, 1), 1, plain=True), scaled(GRAY, 1), 1, EXACT),
    "p4.pbm": (pnm(4, 1 - scaled(GRAY, 1), 1), scaled(GRAY, 1), 1, EXACT),
    "rgb.pam": (pam(RGB, 255, b"RGB"), RGB, 255, EXACT),
    "rgba16.pam": (pam(np.dstack([RGB16, np.full_like(GRAY, 1, np.uint16)]), 65535, b"RGB_ALPHA"), RGB16, 65535, EXACT),
    "gray_alpha.pam": (pam(np.dstack([GRAY, GRAY]), 255, b"GRAYSCALE_ALPHA"), GRAY, 255, EXACT),
    "bits.pam": (pam(scaled(GRAY, 1)[..., None], 1, b"BLACKANDWHITE"), scaled(GRAY, 1), 1, EXACT),
    "rle8.bmp": (bmp(run_lengths(INDICES, 8), 8, compression=1, palette=PALETTE, used=16), COLORS, 255, EXACT),
    "rle4.bmp": (bmp(run_lengths(INDICES, 4), 4, compression=2, palette=PALETTE), COLORS, 255, EXACT),
    "palette8_of_16.bmp": (bmp(rows(INDICES.astype(np.uint8), 8), 8, palette=PALETTE, used=16), COLORS, 255, EXACT),
    "palette4.bmp": (bmp(rows(packed(INDICES, 4), 4), 4, palette=PALETTE), COLORS, 255, EXACT),
    "bits.bmp": (bmp(rows(packed(INDICES % 2, 1), 1), 1, palette=PALETTE[:8]), COLORS[..., :] * 0 +
                 np.array([[0, 255, 0], [8, 239, 16]], np.uint8)[INDICES % 2], 255, EXACT),
    "gap.bmp": (bmp(rows(BGR, 24), 24, gap=2), RGB, 255, EXACT),
    "spare_palette.bmp": (bmp(rows(BGR, 24), 24, palette=bytes(8), used=2), RGB, 255, EXACT),
    "os2.bmp": (bmp(rows(BGR, 24), 24, size=12), RGB, 255, EXACT),
    "top_down.bmp": (bmp(rows(BGR[::-1], 24), 24, height=-HEIGHT), RGB, 255, EXACT),
    "bits16.bmp": (bmp(masked([(0x7C00, R), (0x3E0, G), (0x1F, B)], 16), 16), scaled(RGB, 31), 31, 0.2),
    "fields565.bmp": (bmp(masked([(0xF800, R), (0x7E0, G), (0x1F, B)], 16), 16, compression=3, masks=MASKS_565), RGB, 255, 8),
    "fields10.bmp": (bmp(masked([(0x3FF00000, R), (0xFFC00, G), (0x3FF, B)], 32), 32, compression=3, masks=MASKS_1010102[:12]),
                     RGB, 255, 0.1),
    "plain32.bmp": (bmp(masked([(0xFF0000, R), (0xFF00, G), (0xFF, B)], 32), 32), RGB, 255, EXACT),
    "v5_alpha.bmp": (v5(masked([(0xFF0000, R), (0xFF00, G), (0xFF, B), (0xFF000000, G)], 32)), RGB, 255, EXACT),
    "pillow.bmp": (saved(Image.fromarray(RGB), "BMP"), RGB, 255, EXACT),
    "rgb8.tif": (tiff(RGB, photometric=2), RGB, 255, EXACT),
    "rgb16_big_endian.tif": (tiff(RGB16, photometric=2, order=">"), RGB16, 65535, EXACT),
    "rgb16_tiled_deflate.tif": (tiff(RGB16, photometric=2, tile=16, compression=8), RGB16, 65535, EXACT),
    "rgb8_planar.tif": (tiff(RGB, photometric=2, planar=2), RGB, 255, EXACT),
    "rgb8_planar_tiled.tif": (tiff(RGB, photometric=2, planar=2, tile=16), RGB, 255, EXACT),
    "gray32.tif": (tiff(GRAY.astype(np.uint32) << 24 | 0x555555, photometric=1), GRAY.astype(np.uint16) * 256 + 0x55, 65535, EXACT),
    "gray_float.tif": (tiff(GRAY.astype(np.float32) / 255, photometric=1, sample_format=3), GRAY, 255, EXACT),
    "gray_double.tif": (tiff(GRAY / 255, photometric=1, sample_format=3, order=">"), GRAY, 255, EXACT),
    "gray_half.tif": (tiff((GRAY / 255).astype(np.float16), photometric=1, sample_format=3), GRAY, 255, 0.01),
    "gray12.tif": (tiff(scaled(GRAY, 4095), photometric=1, bits=12), scaled(GRAY, 4095), 4095, EXACT),
    "white_is_zero.tif": (tiff(255 - GRAY, photometric=0), GRAY, 255, EXACT),
    "fax_bits.tif": (saved(Image.fromarray(GRAY > 127), "TIFF", compression="group4"), GRAY > 127, 1, EXACT),
    "palette.tif": (saved(Image.fromarray(COLORS).quantize(16), "TIFF"), COLORS, 255, EXACT),
    "lzw.tif": (saved(Image.fromarray(RGB), "TIFF", compression="tiff_lzw"), RGB, 255, EXACT),
    "packbits.tif": (saved(Image.fromarray(RGB), "TIFF", compression="packbits"), RGB, 255, EXACT),
    "jpeg.tif": (saved(Image.fromarray(RGB), "TIFF", compression="jpeg", quality=95), RGB, 255, 2),
    "cmyk.tif": (tiff(CMYK, photometric=5), RGB, 255, 120),
    "extra_channel.tif": (tiff(np.dstack([RGB, GRAY]), photometric=2, extra=0), RGB, 255, EXACT),
    "associated_alpha.tif": (tiff(np.dstack([RGB // 2, np.full_like(GRAY, 128)]), photometric=2, extra=1), (RGB // 2).astype(int) * 255 // 128, 255, 0.5),
    "turned.tif": (tiff(RGB, photometric=2, fields=[(274, (3, [6]))]), np.rot90(RGB, -1), 255, EXACT),
    "pillow_cmyk.jpg": (saved(Image.fromarray(CMYK, "CMYK"), "JPEG", quality=98), RGB, 255, 120),
}  # fmt: skip
if features.check("avif"):
    CORPUS["rgb.avif"] = (saved(Image.fromarray(RGB), "AVIF", quality=100, subsampling="4:4:4"), RGB, 255, 4)
    CORPUS["gray.avif"] = (saved(Image.fromarray(GRAY), "AVIF", quality=100), GRAY, 255, 4)

# Made with libjxl's encoder, lossless: Pillow writes no JPEG XL.
JXL = np.stack([40 + 7 * np.arange(25) + 0 * np.arange(17)[:, None], 60 + 8 * np.arange(17)[:, None] + 0 * np.arange(25),
                200 - 7 * np.arange(25) + 0 * np.arange(17)[:, None]], -1)  # fmt: skip
FIXTURES = ROOT / "tests" / "fixtures" / "formats"
CORPUS["turned.jxl"] = ((FIXTURES / "turned.jxl").read_bytes(), np.rot90(JXL, -1), 255, EXACT)
CORPUS["rgba16.jxl"] = ((FIXTURES / "rgba16.jxl").read_bytes(), JXL * 256 + 0x55, 65535, EXACT)


def png(extra=b"", *, end=True):
    content = saved(Image.fromarray(RGB), "PNG")
    header, rest = content[:33], content[33:]
    return header + extra + (rest if end else rest[:-12])


def chunk(kind, data, crc=None):
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


JPEG = saved(Image.fromarray(RGB), "JPEG", quality=95, subsampling=0)
PROGRESSIVE = saved(Image.fromarray(RGB), "JPEG", quality=95, subsampling=0, progressive=True)
CMYK_JPEG = saved(Image.fromarray(CMYK, "CMYK"), "JPEG", quality=98)
ADOBE = CMYK_JPEG.index(b"\xff\xee")
CORPUS["without_adobe.jpg"] = (CMYK_JPEG[:ADOBE] + CMYK_JPEG[ADOBE + 16 :], RGB, 255, 120)
CORPUS["comment_behind_maximum.ppm"] = (pnm(6, RGB, 255).replace(b"255\n", b"255#note\n", 1), RGB, 255, EXACT)
CORPUS["runs_without_end.bmp"] = (bmp(run_lengths(INDICES, 8)[:-4], 8, compression=1, palette=PALETTE), COLORS, 255, EXACT)
EXIF = b"Exif\0\0not a structure"
TWELVE_BITS = JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c")

DAMAGED = {
    "checksum.png": (png(chunk(b"tEXt", b"Software\0x", crc=1)), "damaged metadata"),
    "bomb.png": (png(chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(70 << 20)))), "damaged metadata"),
    "no_zlib_profile.png": (png(chunk(b"iCCP", b"x\0\0not zlib")), "damaged metadata"),
    "no_profile.png": (png(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"not a profile"))), "profile"),
    "no_end.png": (png(end=False), "all of its rows are there"),
    "no_end.jpg": (JPEG[:-2], "all of its rows are there"),
    "no_end_progressive.jpg": (PROGRESSIVE[:-2], "all of its rows are there"),
    "exif.jpg": (JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(EXIF) + 2) + EXIF + JPEG[2:], "damaged EXIF"),
    "profile.jpg": (JPEG[:2] + b"\xff\xe2\0\x14ICC_PROFILE\0\1\2abcd" + JPEG[2:], "incomplete color profile"),
    "float.tif": (tiff(GRAY.astype(np.float32), photometric=1, sample_format=3), "clipped"),
    "pages.tif": (saved(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]), "several pages"),
    "pages.ppm": (2 * pnm(6, RGB, 255), "several images"),
}  # fmt: skip

BMP = CORPUS["gap.bmp"][0]
TRUNCATED = {
    "cut.png": png()[:-40],
    "cut.jpg": JPEG[:-40],
    "cut_progressive.jpg": PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xda")],
    "cut.ppm": CORPUS["p6_65535.ppm"][0][:-1],
    "cut_plain.pgm": CORPUS["p2_7.pgm"][0][:-1],
    "cut.pbm": CORPUS["p4.pbm"][0][:-1],
    "cut.bmp": BMP[:-4],
    "cut_runs.bmp": CORPUS["rle8.bmp"][0][:-30],
    "cut.tif": tiff(RGB, photometric=2)[:200],
    "wrong_data.tif": tiff(RGB, photometric=2, compression=8).replace(zlib.compress(RGB[:5].tobytes())[2:20], bytes(18)),
}  # fmt: skip

NAMED = {
    "a.heic": (bytes.fromhex("00000018667479706865696300000000") + bytes(40), "HEIC"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
    "a.exr": (b"\x76\x2f\x31\x01" + bytes(40), "OpenEXR"),
    "a.hdr": (b"#?RADIANCE\n" + bytes(40), "Radiance"),
    "a.mp4": (bytes.fromhex("000000186674797069736f6d00000000") + bytes(40), "video"),
    "a.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "lfs.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "a.dng": (tiff(GRAY, photometric=32803), "raw photograph"),
    "twelve_bits.jpg": (TWELVE_BITS, "12 bits per sample"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "raw photograph"),
    "zeros.png": (bytes(100), "nothing but zeros"),
    "a.zip": (b"PK\3\4" + bytes(40), "ZIP"),
    "a.pfm": (b"PF\n2 2\n-1.0\n" + bytes(48), "PFM"),
    "a.ico": (b"\0\0\1\0\1\0" + bytes(40), "ICO"),
    "signed.tif": (tiff(GRAY.astype(np.int16), photometric=1, sample_format=2), "signed"),
    "lab.tif": (tiff(RGB, photometric=8), "color space"),
    "in_bmp.bmp": (bmp(JPEG, 0, compression=4), "contains a JPEG"),
}  # fmt: skip

HEADERS = {
    "a.ppm": b"P6 60000 60000 255\n",
    "a.bmp": struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, *[0] * 6),
    "a.tif": tiff(RGB, photometric=2).replace(struct.pack("<HHII", 256, 4, 1, WIDTH), struct.pack("<HHII", 256, 4, 1, 60000))
             .replace(struct.pack("<HHII", 257, 4, 1, HEIGHT), struct.pack("<HHII", 257, 4, 1, 60000)),
}  # fmt: skip


def main(folder):
    files = {name: entry[0] for corpus in (CORPUS, DAMAGED, NAMED) for name, entry in corpus.items()}
    for name, content in (files | TRUNCATED | HEADERS).items():
        (Path(folder) / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
