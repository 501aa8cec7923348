"""What upscale reads: every kind of image, and what is none."""

import shutil
import struct
import zlib

import numpy as np
import pytest
from images import pixels, ramp, reduced
from PIL import Image, ImageFilter, ImageOps
from runner import IMAGES

TOO_LARGE = "header_60000.png"
READABLE = sorted(path.name for path in IMAGES.iterdir() if path.name != TOO_LARGE)


def plainly(path):
    """An image as Pillow reads it, upright, in eight bits of RGB."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA").convert("RGB")


def far_from_transparency(path):
    """Where no transparent pixel is near: those take the colors of the visible ones before upscaling, which Pillow's do not."""
    alpha = ImageOps.exif_transpose(Image.open(path)).convert("RGBA").getchannel("A")
    visible = alpha.point(lambda value: 255 * (value > 0)).filter(ImageFilter.MinFilter(5))
    return np.asarray(visible.resize((2 * alpha.width, 2 * alpha.height), Image.Resampling.NEAREST)) == 255


@pytest.fixture(scope="module")
def upscaled(shared):
    """One run over a folder of every kind of image, one of them too large, and over the same ones in plain RGB."""
    shutil.copytree(IMAGES, shared.folder / "kinds")
    (shared.folder / "kinds" / "notes.txt").write_text("not looked at")
    (shared.folder / "kinds" / ".hidden.png").write_text("not looked at")
    (shared.folder / "plain").mkdir()
    for name in READABLE:
        plainly(IMAGES / name).save(shared.folder / "plain" / f"{name}.png")
    shared.upscale("plain", "-o", "plain-out/")
    return shared.upscale("kinds", "-o", "out/{name}-{index}.png", "--json", code=3)


def test_one_bad_image_of_a_folder_is_named_and_the_rest_is_done(upscaled):
    failed = [record for record in upscaled.records if record["error"]]
    assert [record["input"] for record in failed] == [f"kinds/{TOO_LARGE}"]
    assert "60000x60000" in failed[0]["error"]
    assert TOO_LARGE in upscaled.err
    done = [record["input"] for record in upscaled.records if not record["error"]]
    assert sorted(done) == sorted(f"kinds/{name}" for name in READABLE)


@pytest.mark.parametrize("name", READABLE)
def test_an_image_of_this_kind_is_upscaled_like_its_pixels_in_plain_rgb(upscaled, shared, name):
    (record,) = (record for record in upscaled.records if record["input"] == f"kinds/{name}")
    found, plain = pixels(shared.folder / record["output"]), pixels(shared.folder / "plain-out" / f"{name}.png")
    assert found.shape == plain.shape == (record["height"], record["width"], 3)
    assert plain.std() > 10
    where = far_from_transparency(IMAGES / name)
    assert where.any()
    assert abs(found - plain)[where].mean() < 1.5


@pytest.mark.parametrize("name", ["rgba.png", "gray_alpha.png", "palette_transparent.png", "rgb_key.png"])
def test_transparency_is_kept(upscaled, shared, name):
    (record,) = (record for record in upscaled.records if record["input"] == f"kinds/{name}")
    before = Image.open(IMAGES / name).convert("RGBA").getchannel("A")
    after = Image.open(shared.folder / record["output"])
    assert after.mode == ("LA" if name == "gray_alpha.png" else "RGBA")
    reduced_alpha = np.asarray(after.getchannel("A").resize(before.size, Image.Resampling.BICUBIC)).astype(int)
    assert abs(reduced_alpha - np.asarray(before)).mean() < 12


def test_opaque_images_stay_opaque(upscaled, shared):
    (record,) = (record for record in upscaled.records if record["input"] == "kinds/rgb.png")
    assert Image.open(shared.folder / record["output"]).mode == "RGB"


def test_the_first_frame_of_an_animation_is_taken_with_a_notice(fmboost):
    for name in ("animated.png", "animated.gif", "animated.webp"):
        assert "first" in fmboost.upscale(IMAGES / name, "-o", f"{name}.png").err
    assert "first" not in fmboost.upscale(IMAGES / "still.gif", "-o", "still.png").err


def test_transparency_is_laid_over_white_where_the_format_has_none(fmboost):
    Image.new("RGBA", (16, 16), (200, 0, 0, 0)).save(fmboost.folder / "a.png")
    fmboost.upscale("a.png", "-o", "b.jpg")
    assert pixels(fmboost.folder / "b.jpg").min() > 250


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.png"), ("PNG", "a.jpg"), ("WEBP", "a.gif"), ("PNG", "a.txt")])
def test_the_content_counts_and_not_the_suffix(fmboost, kind, name):
    ramp(20, 10).save(fmboost.folder / name, kind)
    fmboost.upscale(name, "-o", "b.png")
    assert abs(reduced(fmboost.folder / "b.png", (20, 10)) - ramp(20, 10)).mean() < 8


def whole(kind):
    path = {"png": "rgb.png", "jpg": "progressive.jpg", "webp": "lossless.webp", "gif": "still.gif", "bmp": "rgb.bmp"}
    return (IMAGES / path[kind]).read_bytes()


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "gif", "bmp"])
def test_a_truncated_image_is_an_error_and_leaves_nothing(fmboost, kind):
    content = whole(kind)
    for i, share in enumerate((0.02, 0.3, 0.7)):
        (fmboost.folder / f"{i}.{kind}").write_bytes(content[: int(len(content) * share) + 1])
    done = fmboost.upscale(".", "-o", "out/", code=3)
    for i in range(3):
        assert f"{i}.{kind}" in done.err
    assert done.out == ""
    assert not list((fmboost.folder / "out").glob("[!.]*"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"no image", "bad.png"), (b"\x89PNG\r\n\x1a\n", "bad.png"), (b"\0" * 100, "bad.png")],
)
def test_what_is_no_image_is_named(fmboost, content, said):
    (fmboost.folder / "bad.png").write_bytes(content)
    done = fmboost.upscale("bad.png", code=1)
    assert "bad.png" in done.err
    assert said in done.err
    assert fmboost.names() == ["bad.png"]


def test_flipped_bits_are_found(fmboost):
    ramp(40, 30).save(fmboost.folder / "a.png")
    content = bytearray((fmboost.folder / "a.png").read_bytes())
    content[len(content) // 2] ^= 0x10
    (fmboost.folder / "a.png").write_bytes(content)
    assert "a.png" in fmboost.upscale("a.png", code=1).err


def test_a_header_that_lies_about_its_size_costs_no_memory(fmboost):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (fmboost.folder / "a.png").write_bytes(content)
    done = fmboost.upscale("a.png", code=1)
    assert "60000x60000" in done.err
    assert "too large" in done.err


def test_missing_files_are_named_and_the_rest_is_done(fmboost):
    ramp(20, 10).save(fmboost.folder / "a.png")
    done = fmboost.upscale("no.png", "a.png", "nor.png", "-o", "out/", code=3)
    assert "'no.png'" in done.err
    assert "'nor.png'" in done.err
    assert done.lines == ["out/a.png"]
    assert "'no.png'" in fmboost.upscale("no.png", code=1).err


def test_a_folder_without_images_is_refused(fmboost):
    (fmboost.folder / "none").mkdir()
    (fmboost.folder / "none" / "a.txt").write_text("")
    assert "'none'" in fmboost.upscale("none", code=2).err
    assert "'nowhere/' does not exist" in fmboost.upscale("nowhere/", "-o", "out/", code=2).err


def test_folders_and_files_are_taken_in_order(fmboost):
    for name in ("f/b.png", "f/a.jpg", "f/sub/c.png", "d.webp"):
        (fmboost.folder / name).parent.mkdir(parents=True, exist_ok=True)
        ramp(10, 10).save(fmboost.folder / name)
    assert fmboost.upscale("d.webp", "f", "-o", "out/").lines == ["out/d.png", "out/a.png", "out/b.png"]


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_bad_stdin_is_named(fmboost, content):
    assert "stdin" in fmboost.upscale("-", "-o", "a.png", stdin=content, code=1).err
