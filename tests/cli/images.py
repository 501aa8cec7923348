"""Making small images, and reading what the binary wrote into its own."""

import functools
import re
import struct

import numpy as np
from PIL import Image, ImageCms
from skimage import data

USER_COMMENT = 0x9286
EXIF_FOLDER = 0x8769
ORIENTATION = 0x0112


def pixels(path):
    """8 bits of RGB."""
    image = Image.open(path)
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB")).astype(int)


def size(path):
    return Image.open(path).size


def ramp(width=24, height=16):
    """A smooth image in which no two corners are alike."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return Image.fromarray((np.stack([40 + 180 * x, 60 + 150 * y, 200 - 120 * x * y], -1)).astype(np.uint8))


def photograph(width, height):
    """A part of a photograph in the public domain."""
    return Image.fromarray(data.rocket()[:height, :width])


def reduced(path, to):
    """An image reduced to the size of what it was made from."""
    return np.asarray(Image.open(path).convert("RGB").resize(to, Image.Resampling.BICUBIC)).astype(int)


@functools.cache  # it holds the time it was made at
def swapped_profile():
    """An ICC profile in which red and blue trade places, so that ignoring it shows."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12)
    }
    red, blue = (slice(entries[tag] + 4, entries[tag] + 12) for tag in (b"rXYZ", b"bXYZ"))
    profile[red], profile[blue] = profile[blue], profile[red]
    return bytes(profile)


def chunks(path):
    """The chunks of a PNG, in order."""
    content, at, found = path.read_bytes(), 8, []
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        found.append((kind.decode(), content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def text_chunk(path, keyword):
    """The kind and the text of a PNG's text chunk."""
    for kind, content in chunks(path):
        name, _, rest = content.partition(b"\0")
        if kind == "tEXt" and name == keyword.encode():
            return kind, rest.decode("latin-1")
        if kind == "iTXt" and name == keyword.encode():
            assert rest[:2] == b"\0\0", "compressed"
            return kind, rest[2:].split(b"\0", 2)[2].decode()
    return None


def user_comment(path):
    """The EXIF comment that A1111-style readers look into where there are no text chunks."""
    comment = Image.open(path).getexif().get_ifd(EXIF_FOLDER)[USER_COMMENT]
    assert comment[:8] == b"UNICODE\0"
    return comment[8:].decode("utf-16-be")


def parse_parameters(text):
    """Prompt, negative prompt and settings, read the way the A1111 web UI reads them."""
    *lines, last = text.strip().split("\n")
    pattern = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    if len(pattern.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompt, negative, in_negative = [], [], False
    for line in lines:
        if line.strip().startswith("Negative prompt:"):
            in_negative, line = True, line.strip()[16:].strip()
        (negative if in_negative else prompt).append(line.strip())
    return "\n".join(prompt), "\n".join(negative), dict(pattern.findall(last))
