"""An upscaled image is of the source's kind: its bits, its channels, its transparency and its metadata."""

import io
import struct
import zlib

import numpy as np
import pytest
from images import EXIF_FOLDER, ORIENTATION, ramp
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

X_RESOLUTION, PIXEL_WIDTH, PIXEL_HEIGHT = 0x011A, 0xA002, 0xA003


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def save_png(path, samples, extra=b"", depth=8):
    """Writes (height, width, channels) samples with more chunks behind the header."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2" if depth == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + extra + body)


def colors(width=24, height=16):
    return np.asarray(ramp(width, height)).astype(int)


def read(path):
    return np.asarray(Image.open(path)).astype(int)


def warnings(finished):
    return [line for line in finished.err.splitlines() if line.startswith("warning:")]


def test_16_bits_stay_16_bits(fmboost):
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    source = ((y * 64 + x) * 4 + 20000)[..., None]
    save_png(fmboost.folder / "a.png", source, depth=16)
    assert not warnings(fmboost.upscale("a.png", "-o", "b.png"))
    fmboost.upscale("a.png", "-o", "b.tif")
    image = Image.open(fmboost.folder / "b.png")
    assert image.mode == "I;16"
    found = np.asarray(image).astype(int)
    assert (found == read(fmboost.folder / "b.tif")).all()
    assert len(np.unique(found)) > 4096  # 8 bits have 64 in this range
    assert abs(found.reshape(64, 2, 64, 2).mean((1, 3)) - source[..., 0]).mean() < 40


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_format_of_8_bits_says_so_once(fmboost, suffix):
    save_png(fmboost.folder / "a.png", colors() * 257, depth=16)
    lines = warnings(fmboost.upscale("a.png", "-o", f"b.{suffix}"))
    assert lines == [f"warning: not kept in 'b.{suffix}': 16 bits per sample"]


def test_bit_depth_can_be_chosen(fmboost):
    save_png(fmboost.folder / "a.png", colors() * 257, depth=16)
    fmboost.upscale("a.png", "--bit-depth", 8, "-o", "8.png")
    fmboost.upscale("8.png", "--bit-depth", 16, "-o", "16.png")
    assert [(fmboost.folder / f"{bits}.png").read_bytes()[24] for bits in (8, 16)] == [8, 16]
    message = fmboost.upscale("a.png", "--bit-depth", 12, "-o", "12.png", code=2).err
    assert "12" in message and "auto, 8 or 16" in message


def strokes():
    """Strokes of 1 to 4 pixels on white paper."""
    image = np.full((64, 64), 255, np.uint8)
    x = 6
    for width in (1, 2, 3, 4, 1, 2, 3, 4):
        image[8:56, x : x + width] = 0
        x += 2 * width
    return image


def test_gray_stays_gray_and_white_stays_white(fmboost):
    save_png(fmboost.folder / "gray.png", strokes()[..., None])
    Image.fromarray(strokes()).convert("RGB").save(fmboost.folder / "rgb.png")
    fmboost.upscale("gray.png", "rgb.png", "-o", "out/{name}.png")
    for name, mode in (("gray", "L"), ("rgb", "RGB")):
        image = Image.open(fmboost.folder / "out" / f"{name}.png")
        assert image.mode == mode
        found = np.asarray(image.convert("RGB")).astype(int)
        assert (found == found[..., :1]).all()
        assert found[:14].min() == found[-14:].min() == found[:, :8].min() == 255
    fmboost.upscale("gray.png", "-o", "b.jpg")
    fmboost.upscale("gray.png", "-o", "b.webp")
    assert Image.open(fmboost.folder / "b.jpg").mode == "L"
    assert Image.open(fmboost.folder / "b.webp").mode == "RGB"


def test_palettes_and_bits_are_written_as_what_they_need(fmboost):
    Image.fromarray(strokes()).convert("1").save(fmboost.folder / "bits.png")
    Image.fromarray(strokes()).convert("P").save(fmboost.folder / "grays.png")
    ramp(24, 16).quantize(16).save(fmboost.folder / "colors.png")
    fmboost.upscale("bits.png", "grays.png", "colors.png", "-o", "out/{name}.png")
    modes = [Image.open(fmboost.folder / "out" / f"{name}.png").mode for name in ("bits", "grays", "colors")]
    assert modes == ["L", "L", "RGB"]


def disk():
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    inside = (x - 16) ** 2 + (y - 16) ** 2 < 100
    return np.where(inside[..., None], (200, 30, 30, 255), (0, 0, 0, 0))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparent_images_have_no_rim(fmboost, suffix):
    save_png(fmboost.folder / "a.png", disk())
    fmboost.upscale("a.png", "--scale", 4, "--quality", 100, "-o", f"b.{suffix}")
    found = read(fmboost.folder / f"b.{suffix}")
    edge = (found[..., 3] >= 40) & (found[..., 3] <= 215)
    assert edge.any()
    assert abs(found[edge][:, :3] - (200, 30, 30)).max() <= 40
    over_white = found[..., :3] * (found[..., 3:] / 255) + 255 - found[..., 3:]
    assert (over_white >= np.array((200, 30, 30)) - 8).all()
    # A sharp mask stays sharp: within two pixels of the result, of which four are one of the source.
    assert edge.mean() < 0.01
    assert abs((found[..., 3] / 255).mean() - disk()[..., 3].mean() / 255) < 0.005


def test_jpeg_lays_transparency_over_white_and_says_so(fmboost):
    save_png(fmboost.folder / "a.png", disk())
    assert warnings(fmboost.upscale("a.png", "-o", "b.jpg")) == ["warning: not kept in 'b.jpg': transparency"]
    assert read(fmboost.folder / "b.jpg")[0, 0].min() >= 254


def test_linear_light_becomes_srgb(fmboost):
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    for name, channels, mode in (("rgb", 3, "RGB"), ("gray", 1, "L")):
        save_png(fmboost.folder / f"{name}.png", np.full((16, 24, channels), 55), gamma)
        fmboost.upscale(f"{name}.png", "-o", f"{name}_out.png")
        image = Image.open(fmboost.folder / f"{name}_out.png")
        assert image.mode == mode
        assert abs(np.asarray(image).astype(int) - 128).max() <= 1


def test_srgb_s_own_gamma_is_silent_and_changes_nothing(fmboost):
    save_png(fmboost.folder / "a.png", colors())
    save_png(fmboost.folder / "b.png", colors(), chunk(b"gAMA", struct.pack(">I", 45455)))
    fmboost.upscale("a.png", "-o", "a_out.png")
    assert not warnings(fmboost.upscale("b.png", "-o", "b_out.png"))
    assert (fmboost.folder / "a_out.png").read_bytes() == (fmboost.folder / "b_out.png").read_bytes()


def test_a_wider_gamut_comes_back_with_its_profile(fmboost):
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    source = np.full((16, 24, 3), (60, 220, 80))
    save_png(fmboost.folder / "a.png", source, chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", adobe))
    fmboost.upscale("a.png", "-o", "b.png")
    image = Image.open(fmboost.folder / "b.png")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert profile.profile.red_primary[1][:2] == pytest.approx((0.648, 0.331), abs=0.01)  # adapted to D50
    # The profile's primaries are the file's, so that the samples are too.
    assert abs(np.asarray(image).astype(int) - source[0, 0]).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_density_grows_so_that_the_print_keeps_its_size(fmboost, suffix):
    save_png(fmboost.folder / "a.png", colors(), chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1)))
    fmboost.upscale("a.png", "-o", f"b.{suffix}")
    assert Image.open(fmboost.folder / f"b.{suffix}").info["dpi"] == pytest.approx((600, 300), abs=0.1)


def camera_photo(path):
    """24x16 on its side: sizes, 300 dpi and a thumbnail in EXIF."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[X_RESOLUTION], exif[0x011B], exif[0x0128] = 6, 300.0, 300.0, 2
    folder = exif.get_ifd(EXIF_FOLDER)
    folder[PIXEL_WIDTH], folder[PIXEL_HEIGHT] = 24, 16
    thumbnail = io.BytesIO()
    ramp(12, 8).save(thumbnail, "jpeg")
    content = bytearray(exif.tobytes())
    tiff = bytes(content[6:]) if content[:4] == b"Exif" else bytes(content)
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    pointer = first + 2 + 12 * struct.unpack_from(order + "H", tiff, first)[0]
    second = len(tiff)
    entries = [(ORIENTATION, 3, 1, 6 if order == "<" else 6 << 16), (0x0201, 4, 1, second + 42),
               (0x0202, 4, 1, len(thumbnail.getvalue()))]  # fmt: skip
    folder = struct.pack(order + "H", 3) + b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    tiff = tiff[:pointer] + struct.pack(order + "I", second) + tiff[pointer + 4 :]
    ramp().save(path, quality=95, exif=b"Exif\0\0" + tiff + folder + bytes(4) + thumbnail.getvalue())
    assert thumbnail.getvalue() in path.read_bytes()
    return thumbnail.getvalue()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_agrees_with_the_result(fmboost, suffix):
    thumbnail = camera_photo(fmboost.folder / "a.jpg")
    fmboost.upscale("a.jpg", "-o", f"b.{suffix}")
    image = Image.open(fmboost.folder / f"b.{suffix}")
    exif = image.getexif()
    assert image.size == (32, 48)
    assert exif.get(ORIENTATION, 1) == 1
    assert float(exif[X_RESOLUTION]) == 600
    folder = exif.get_ifd(EXIF_FOLDER)
    assert (folder[PIXEL_WIDTH], folder[PIXEL_HEIGHT]) == (32, 48)
    assert thumbnail[-100:] not in (fmboost.folder / f"b.{suffix}").read_bytes()
    turned = ImageOps.exif_transpose(Image.open(fmboost.folder / "a.jpg")).convert("RGB")
    small = image.convert("RGB").resize(turned.size, Image.Resampling.BICUBIC)
    assert abs(np.asarray(small).astype(int) - np.asarray(turned)).mean() < 4


TURNED = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d" dc:title="Lake"/></x:xmpmeta>'


def raw_profile(content):
    return b"\nexif\n%8d\n%s\n" % (len(content), content.hex().encode())


@pytest.mark.parametrize("where", ["exif", "prefixed", "raw", "xmp"])
def test_orientation_is_found_wherever_it_is(fmboost, where):
    extra = {
        "exif": chunk(b"eXIf", TURNED),
        "prefixed": chunk(b"eXIf", b"Exif\0\0" + TURNED),
        "raw": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(b"Exif\0\0" + TURNED))),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + (XMP % 6).encode()),
    }[where]
    save_png(fmboost.folder / "a.png", colors(), extra)
    fmboost.upscale("a.png", "-o", "b.png")
    image = Image.open(fmboost.folder / "b.png")
    assert image.size == (32, 48)
    assert ImageOps.exif_transpose(image).size == (32, 48)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_xmp_is_kept(fmboost, suffix):
    save_png(fmboost.folder / "a.png", colors(), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + (XMP % 1).encode()))
    fmboost.upscale("a.png", "-o", f"b.{suffix}")
    image = Image.open(fmboost.folder / f"b.{suffix}")
    found = image.tag_v2[700] if suffix == "tif" else image.info.get("xmp", image.info.get("XML:com.adobe.xmp"))
    assert (found if isinstance(found, str) else found.decode()) == XMP % 1


def test_raw_utf8_in_text_chunks_stays_readable(fmboost):
    text = "テスト – “x”\nSteps: 4"
    save_png(fmboost.folder / "a.png", colors(), chunk(b"tEXt", b"parameters\0" + text.encode()))
    fmboost.upscale("a.png", "-o", "b.png")
    assert Image.open(fmboost.folder / "b.png").info["parameters"] == text


def test_what_cannot_be_kept_is_said_in_one_line_and_strip_is_silent(fmboost):
    text = PngInfo()
    text.add_text("Author", "somebody")
    text.add_text("Title", "a lake")
    ramp().save(fmboost.folder / "a.png", pnginfo=text, dpi=(300, 300))
    lines = warnings(fmboost.upscale("a.png", "-o", "b.jpg"))
    assert lines == ["warning: not kept in 'b.jpg': the text 'Author', the text 'Title'"]
    assert not warnings(fmboost.upscale("a.png", "--strip", "-o", "c.jpg"))
    info = Image.open(fmboost.folder / "c.jpg").info
    assert not {"dpi", "exif", "comment"} & info.keys()


def test_limits_of_formats_are_named_before_the_work(fmboost):
    save_png(fmboost.folder / "a.png", np.full((1, 8200, 3), 100))
    done = fmboost.upscale("a.png", "-o", "b.webp", code=None)
    assert done.code != 0 and done.stages == []
    assert "16383" in done.err or "8192" in done.err


@pytest.mark.parametrize("suffix", ["tif", "tiff"])
def test_tiff_holds_what_png_holds(fmboost, suffix):
    save_png(fmboost.folder / "a.png", disk())
    fmboost.upscale("a.png", "-o", "b.png")
    fmboost.upscale("a.png", "-o", f"b.{suffix}")
    fmboost.upscale("a.png", "--png-level", 0, "-o", f"stored.{suffix}")
    image = Image.open(fmboost.folder / f"b.{suffix}")
    assert (image.format, image.mode) == ("TIFF", "RGBA")
    assert (read(fmboost.folder / f"b.{suffix}") == read(fmboost.folder / "b.png")).all()
    assert (read(fmboost.folder / f"stored.{suffix}") == read(fmboost.folder / "b.png")).all()


def test_png_level_trades_size_for_time_and_changes_no_pixel(fmboost):
    ramp(64, 48).save(fmboost.folder / "a.png")
    for level in (0, 1, 9):
        fmboost.upscale("a.png", "--png-level", level, "-o", f"{level}.png")
    sizes = [(fmboost.folder / f"{level}.png").stat().st_size for level in (0, 1, 9)]
    assert sizes[0] > 128 * 96 * 3 > sizes[1] > sizes[2]
    assert (read(fmboost.folder / "0.png") == read(fmboost.folder / "9.png")).all()
    assert "from 0 to 9" in fmboost.upscale("a.png", "--png-level", 10, "-o", "b.png", code=2).err


COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (2, 2, 2), (253, 253, 253), (255, 0, 255)]


def test_saturated_colors_stay(fmboost):
    """Each beside a thin line, so that not all of the image is flat."""
    for i, color in enumerate(COLORS):
        flat = np.full((32, 32, 3), color)
        flat[:, 28] = 128
        save_png(fmboost.folder / f"{i}.png", flat)
    fmboost.upscale(*(f"{i}.png" for i in range(len(COLORS))), "--scale", 4, "-o", "out/{name}.png")
    for i, color in enumerate(COLORS):
        found = read(fmboost.folder / "out" / f"{i}.png")[:, :100]
        assert abs(found - color).max() <= 3
        assert abs(found.mean((0, 1)) - color).max() <= 1
